"""What was measured, and on what: paired timings, profiles, memory, energy, the environment."""

from signbin.measure.agreement import Agreement, Demand, Floor, Tolerance, agreement
from signbin.measure.calm import CalmCores
from signbin.measure.cores import choose_cores
from signbin.measure.peers import (
    FAMILIES,
    LIMITS,
    OURS,
    PEERS,
    QUANTIZED,
    Engine,
    Family,
    Preparation,
    find_family,
    find_peer,
)
from signbin.measure.profile import Profile, ProfiledLayer, Profiler, measure_profile
from signbin.measure.records import (
    Bench,
    Chosen,
    EngineRecord,
    InstructionSet,
    NodeAgreement,
    PeerRecord,
    instruction_set,
    not_comparable,
)
from signbin.measure.timing import InProcess, Ratio, Schedule, Side, Times, paired_ratio, take_turns
from signbin.measure.worker import (
    Assignment,
    Facts,
    PrepareTask,
    WorkerProcess,
    prepare_model,
)

__all__ = [
    "FAMILIES",
    "LIMITS",
    "OURS",
    "PEERS",
    "QUANTIZED",
    "Agreement",
    "Assignment",
    "Bench",
    "CalmCores",
    "Chosen",
    "Demand",
    "Engine",
    "EngineRecord",
    "Facts",
    "Family",
    "Floor",
    "InProcess",
    "InstructionSet",
    "NodeAgreement",
    "PeerRecord",
    "Preparation",
    "PrepareTask",
    "Profile",
    "ProfiledLayer",
    "Profiler",
    "Ratio",
    "Schedule",
    "Side",
    "Times",
    "Tolerance",
    "WorkerProcess",
    "agreement",
    "choose_cores",
    "find_family",
    "find_peer",
    "instruction_set",
    "measure_profile",
    "not_comparable",
    "paired_ratio",
    "prepare_model",
    "take_turns",
]
