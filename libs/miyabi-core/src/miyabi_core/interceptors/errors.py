"""Turns every exception of a handler into a status; nothing of an unforeseen one reaches the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import grpc

from miyabi_core.errors import DeadlineExceededError, MiyabiError, first_of
from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_core.logging import get_logger
from miyabi_core.status import internal_error, to_status

_LOG = get_logger(__name__)


async def abort(call: Call, error: MiyabiError, *, domain: str) -> NoReturn:
    """End the call with *error*.

    Raises:
        grpc.aio.AbortError: always; it is how gRPC ends a handler.
    """
    status = to_status(error, domain=domain)
    await call.context.abort(status.code, status.details, status.trailing_metadata or ())
    raise AssertionError("abort always raises")


class ErrorInterceptor(CallInterceptor):
    """Sends errors of ours as they are, and anything else as INTERNAL, logged once."""

    def __init__(self, *, domain: str) -> None:
        self._domain = domain

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Run the call and translate what it raises; cancellation passes untouched."""
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except MiyabiError as error:
            await abort(call, error, domain=self._domain)
        except TimeoutError:
            late = DeadlineExceededError("The answer was not there in time.", reason="DEADLINE_EXCEEDED")
            await abort(call, late, domain=self._domain)
        except ExceptionGroup as group:
            aborted = group.subgroup(grpc.aio.AbortError)
            if aborted is not None:
                # A task of the handler has ended the call, at a message that is no good; gRPC wants that very error.
                raise first_of(aborted) from None
            ours, others = group.split(MiyabiError)
            if ours is None or others is not None:
                _LOG.exception("rpc.failed", method=call.method, error_type=type(group).__name__)
                await abort(call, internal_error(), domain=self._domain)
            await abort(call, first_of(ours), domain=self._domain)
        except Exception as error:  # noqa: BLE001 - the last line of defence: grpc.aio would send its text on
            _LOG.exception("rpc.failed", method=call.method, error_type=type(error).__name__)
            await abort(call, internal_error(), domain=self._domain)
