"""The turn log: what was said, expressed and answered, on disk before it is acknowledged.

A turn is acknowledged when `TurnLog.save` has returned its `TurnSaved`, and that happens only after a commit that was
synced to the disk. No acknowledged turn is lost by a kill, by running out of memory or by a power cut (on a disk that
honours a sync); a turn that was not acknowledged is either wholly there or wholly absent; sequence numbers have no
gaps. Reading, exporting and deleting live in `agent.history`.
"""

from .config import TurnLogConfig, default_path
from .log import Saving, TurnLog
from .rows import LoggedCorrection, LoggedTurn, SessionInfo

__all__ = ["LoggedCorrection", "LoggedTurn", "Saving", "SessionInfo", "TurnLog", "TurnLogConfig", "default_path"]
