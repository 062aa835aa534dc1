"""Keeps measurements in the state store, through restarts, written by one replica at a time."""

from __future__ import annotations

from miyabi_dashboard.monitor.storing.buckets import Bucket, Series, Tally, bucket_of
from miyabi_dashboard.monitor.storing.store import LeaseLostError, MeasurementStore

__all__ = ["Bucket", "LeaseLostError", "MeasurementStore", "Series", "Tally", "bucket_of"]
