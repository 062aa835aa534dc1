"""Every word of the command line, in the order of the list of words."""

from __future__ import annotations

from miyabi_cli.manual.word import Example, Word

HAND_OVER, LOOK, DECIDE, MEASURE, LOCAL, ACCESS = (
    "Hand over", "Look", "Decide", "Measure", "This machine and a checkout", "Who may do what",
)  # fmt: skip
#: Headings of the list of words, in order.
SECTIONS = (HAND_OVER, LOOK, DECIDE, MEASURE, LOCAL, ACCESS)

_BATCH = "miyabi.coordinator.v1.Batch"
_FOLLOWED = "miyabi.coordinator.v1.BatchEvent while it runs, then `result` for each issue"
_SUBMITTED = f"{_FOLLOWED}; or `refusal`"

WORDS: tuple[Word, ...] = (
    Word(
        "submit",
        "batch.submit:submit",
        "Hand over issues and watch them come back.",
        HAND_OVER,
        (
            Example(
                "miyabi submit acme/shop --issues 60,61,70-75 --concurrency 3 --budget-usd 5",
                "Eight issues for at most $5",
            ),
            Example("miyabi submit acme/shop --label bug --dry-run", "What would be done, without a write"),
            Example("miyabi submit --from-file batch.yaml", "Every field of SubmitBatchRequest, from a file"),
        ),
        json=_SUBMITTED,
        see=("watch", "batches", "report"),
    ),
    Word(
        "label",
        "batch.label:label",
        "Triage one issue and label it; the analysis streams while it is written.",
        HAND_OVER,
        (Example("miyabi label django django 15347 --dry-run", "The labels that one issue would get"),),
        json=_SUBMITTED,
        see=("submit",),
    ),
    Word(
        "batches",
        "batch.batches:batches",
        "List batches, newest first.",
        LOOK,
        (
            Example("miyabi batches --watch", "What runs, again whenever it changed"),
            Example(
                "miyabi batches --repository acme/shop --state failed --json",
                "Failed ones of a repository, for machines",
            ),
        ),
        json=_BATCH,
        see=("watch", "show"),
    ),
    Word(
        "watch",
        "batch.watch:watch",
        "Show a batch's events from any point to the end; works after the end too.",
        LOOK,
        (
            Example("miyabi watch latest", "The newest batch"),
            Example("miyabi watch latest --after 40", "What came after event 40"),
        ),
        json=_FOLLOWED,
        see=("logs", "show"),
    ),
    Word(
        "show",
        "issue.show:show",
        "Show how one issue stands and why, to the end of what its tests printed.",
        LOOK,
        (
            Example("miyabi show latest 60", "Issue 60 of the newest batch"),
            Example("miyabi show latest 60 --watch", "The same, until it has ended"),
        ),
        json="miyabi.coordinator.v1.IssueRun",
        see=("logs", "transcript", "approve", "retry"),
    ),
    Word(
        "logs",
        "issue.logs:logs",
        "Print the event log of a batch, or of one of its issues, a line an event.",
        LOOK,
        (
            Example("miyabi logs latest --tail 20 -f", "The last 20 events, then what comes"),
            Example("miyabi logs latest 60 --failures", "What went wrong with issue 60"),
            Example(
                "miyabi logs latest --event tool-invocation --kind implement", "The tools that implementing called"
            ),
        ),
        json="miyabi.coordinator.v1.BatchEvent",
        see=("watch", "show", "transcript"),
    ),
    Word(
        "transcript",
        "issue.transcript:transcript",
        "Show what the steps of an issue asked a model, and what it answered.",
        LOOK,
        (
            Example("miyabi transcript latest 60", "Every call for issue 60 of the newest batch"),
            Example("miyabi transcript latest 60 implement --json", "Those of one step, for machines"),
        ),
        json="miyabi.coordinator.v1.ModelCall",
        see=("logs", "show"),
    ),
    Word(
        "agents",
        "fleet.agents:agents",
        "List agents with their slots and the tasks that they run now.",
        LOOK,
        (Example("miyabi agents --watch", "Who does what, again whenever it changed"),),
        json="`agent`",
        see=("drain",),
    ),
    Word(
        "approve",
        "issue.approve:approve",
        "Approve or decline a change that waits for a person.",
        DECIDE,
        (
            Example("miyabi approve latest 60", "Open the pull request"),
            Example('miyabi approve latest 60 --decline --comment "tests are gone"', "Fail the issue instead"),
        ),
        json="miyabi.coordinator.v1.IssueRun",
        see=("show",),
    ),
    Word(
        "pause",
        "batch.pause:pause",
        "Give no new lease for a batch; tasks that run are finished.",
        DECIDE,
        (Example('miyabi pause latest --reason "release day"', "The newest batch, with a word for the log"),),
        json=_BATCH,
        see=("resume", "cancel"),
    ),
    Word(
        "resume",
        "batch.resume:resume",
        "Give leases again for a paused batch.",
        DECIDE,
        (Example("miyabi resume latest", "The newest batch"),),
        json=_BATCH,
        see=("pause", "watch"),
    ),
    Word(
        "retry",
        "batch.retry:retry",
        "Run failed and skipped issues of a batch again, from their beginning.",
        DECIDE,
        (
            Example("miyabi retry latest", "All that did not succeed"),
            Example("miyabi retry latest 60 61", "Two issues, with what they depend on"),
        ),
        json=_BATCH,
        see=("show", "watch"),
    ),
    Word(
        "cancel",
        "batch.cancel:cancel",
        "End a batch; what was done so far stays, pull requests too.",
        DECIDE,
        (Example('miyabi cancel latest --reason "wrong branch"', "The newest batch"),),
        json=_BATCH,
        see=("pause",),
    ),
    Word(
        "drain",
        "fleet.drain:drain",
        "Let an agent finish what it has and take no more.",
        DECIDE,
        (Example("miyabi drain local-1", "One agent, as `miyabi agents` names it"),),
        json="miyabi.coordinator.v1.Agent",
        see=("agents",),
    ),
    Word(
        "report",
        "measured.report:report",
        "Say what was measured: cost, time by step, the critical path, what would help.",
        MEASURE,
        (
            Example("miyabi report latest", "The newest batch"),
            Example("miyabi report --since 7d --format html --out report.html", "A week, as one file with charts"),
            Example("miyabi report --compare 01M87381Y9J53KMVH2MRV9FV00 latest", "Two batches side by side"),
        ),
        json="miyabi.dashboard.v1.GetPerformanceReportResponse, or `comparison`",
        see=("perf",),
    ),
    Word(
        "perf",
        "measured.perf:perf",
        "Follow what is measured: durations, waits, bottlenecks, again whenever it changed.",
        MEASURE,
        (
            Example("miyabi perf", "The last hour of all batches"),
            Example("miyabi perf latest --once", "The newest batch, once"),
        ),
        json="miyabi.dashboard.v1.GetPerformanceReportResponse",
        see=("report",),
    ),
    Word(
        "emit",
        "fleet.emit:emit",
        "Send an event of your own program to the page.",
        MEASURE,
        (
            Example(
                "miyabi emit started --agent ci --issue 60 --repository acme/shop", "A program begins with issue 60"
            ),
            Example(
                'miyabi emit progress --agent ci --issue 60 --set progress=40 --set message="tests run"',
                "How far it is",
            ),
            Example("miyabi emit --from-file event.json", "An event as it stands"),
        ),
        json="`emitted`",
        see=("logs",),
    ),
    Word(
        "up",
        "local.stack:up",
        "Start the whole system and keep it running until Ctrl-C.",
        LOCAL,
        (
            Example("miyabi up", "With GITHUB_TOKEN and ANTHROPIC_API_KEY, or simulated"),
            Example("miyabi up --simulate --any-ports", "Beside another one"),
        ),
        see=("doctor", "demo"),
    ),
    Word(
        "demo",
        "local.stack:demo",
        "Take five real Django issues to draft pull requests, all simulated but the work.",
        LOCAL,
        (Example("miyabi demo --exit", "End after the table"),),
        json=_FOLLOWED,
        see=("up", "try"),
    ),
    Word(
        "inspect",
        "local.inspect:inspect",
        "Show what is recognised of a repository, and run base's tests in the sandbox.",
        LOCAL,
        (
            Example("miyabi inspect ~/src/shop", "A checkout"),
            Example("miyabi inspect acme/shop --write", "What is missing, as lines of .miyabi.yaml"),
        ),
        json="`project`",
        see=("doctor", "try"),
    ),
    Word(
        "try",
        "local.try_:try_",
        "Take an issue of a checkout to a branch, without an account.",
        LOCAL,
        (Example('miyabi try ~/src/shop --issue "The total ignores discounts. See src/shop/cart.py"', "One issue"),),
        json=_FOLLOWED,
        see=("inspect", "submit"),
    ),
    Word(
        "doctor",
        "local.doctor:doctor",
        "Say what this machine has and lacks, or what stands in the way of work on a repository.",
        LOCAL,
        (Example("miyabi doctor", "This machine"), Example("miyabi doctor acme/shop", "A repository")),
        json="`finding`",
        see=("inspect",),
    ),
    Word(
        "audit",
        "access.audit:audit",
        "Say who called what that changes something, newest first; refused calls too.",
        ACCESS,
        (Example("miyabi audit --batch latest", "Who did what to the newest batch"),),
        json="miyabi.coordinator.v1.AuditEntry",
        see=("token",),
    ),
    Word(
        "token",
        "access.token:token",
        "Make a bearer token, and its entry for an identities file.",
        ACCESS,
        (Example("miyabi token alice --role operator --out alice.token >> identities.yaml", "For a person"),),
        see=("audit",),
    ),
)
