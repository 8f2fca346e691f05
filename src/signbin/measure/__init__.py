"""What was measured, and on what: paired timings, profiles, memory, energy, the environment."""

from signbin.measure.agreement import Agreement, agreement
from signbin.measure.cores import choose_cores
from signbin.measure.environment import environment
from signbin.measure.peers import OURS, PEERS, Engine, find_peer
from signbin.measure.profile import Profile, ProfiledLayer, Profiler, measure_profile
from signbin.measure.records import Bench, EngineRecord, PeerRecord
from signbin.measure.timing import InProcess, Ratio, Schedule, Side, Times, paired_ratio, take_turns
from signbin.measure.worker import Assignment, Facts, WorkerProcess

__all__ = [
    "OURS",
    "PEERS",
    "Agreement",
    "Assignment",
    "Bench",
    "Engine",
    "EngineRecord",
    "Facts",
    "InProcess",
    "PeerRecord",
    "Profile",
    "ProfiledLayer",
    "Profiler",
    "Ratio",
    "Schedule",
    "Side",
    "Times",
    "WorkerProcess",
    "agreement",
    "choose_cores",
    "environment",
    "find_peer",
    "measure_profile",
    "paired_ratio",
    "take_turns",
]
