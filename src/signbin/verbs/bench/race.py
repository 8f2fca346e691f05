"""One model and its peers: opened, compared, then timed by turns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from signbin import artifact as sbn
from signbin import native
from signbin.artifact import Artifact
from signbin.environment import cpu_flags, environment
from signbin.ir import Graph, interpret
from signbin.measure import (
    OURS,
    Agreement,
    Bench,
    CalmCores,
    Chosen,
    EngineRecord,
    PeerRecord,
    Times,
    agreement,
    choose_cores,
    find_peer,
    instruction_set,
    paired_ratio,
    take_turns,
)
from signbin.verbs.bench.contenders import Contender, EngineFiles, EngineStarter, Peer
from signbin.verbs.bench.float_network import float_network
from signbin.verbs.bench.images import gather_images
from signbin.verbs.bench.request import BenchRequest

__all__ = ["bench"]

_INTERPRETER_TOLERANCE: Final = 1e-4


def bench(request: BenchRequest) -> Bench:
    """Time a compiled model, paired with every peer it is compared with.

    All engines get the same random images (normal, seed 0), threads and cores, each in a
    process of its own. Before anything is timed, every engine computes other images (see
    :func:`signbin.verbs.bench.gather_images`): our output of the first is compared with the
    interpreter's, and every engine's with that of the float network, which peers get as ONNX
    with float32 weights and prepare themselves. Of a peer's preparations all that still compute
    the network race, and the one with the best ratio is the peer's record.

    Raises FormatError for a file that is no model, SpecError, ExecutionError for a missing peer,
    one that computes something else, or more threads than cores.
    """
    native.resolve_isa(request.isa)
    cores = choose_cores(request.threads)
    opened = sbn.read(request.model)
    network = float_network(opened, request.float_model)
    images = gather_images(opened, request.batch, request.calibration)
    with tempfile.TemporaryDirectory(prefix="signbin-bench-") as folder, ExitStack() as stack:
        files = EngineFiles(Path(folder))
        files.write(images, network, for_peers=bool(request.against))
        starter = EngineStarter(request, cores, files, stack)
        expected = None if network.is_the_model else starter.float_output()
        ours = starter.ours(expected)
        accuracy = _against_interpreter(opened.graph, images.checked, ours.side.output)
        expected = ours.side.output if expected is None else expected
        peers = [starter.peer(find_peer(name), expected) for name in request.against]
        sides = [ours.side, *(each.side for peer in peers for each in peer.contenders)]
        calm = CalmCores(cores, request.schedule.calm_s) if request.schedule.calm_s else None
        times = take_turns(sides, request.schedule, calm)
        record = EngineRecord(times[OURS.name], ours.side.facts, ours.side.memory())
        records = {peer.engine.name: _peer_record(peer, times, request.peer_isa) for peer in peers}
    return Bench(
        model=opened.graph.name,
        activations="f32" if network.is_the_model else "u8",
        input_shape=images.timed.shape,
        macs=_macs(opened),
        rounds=request.schedule.rounds,
        calm_turns=None if calm is None else calm.calm,
        ours=record,
        accuracy=accuracy,
        float_network=network.source,
        against_float=ours.agreement,
        samples=MappingProxyType(images.described),
        peers=MappingProxyType(records),
        environment=environment({"signbin": native.version()}),
    )


def _against_interpreter(
    graph: Graph, images: NDArray[np.float32], output: NDArray[np.float32]
) -> Agreement:
    expected = interpret(graph, {graph.inputs[0].name: images[:1]})[graph.outputs[0]]
    found = agreement(output[:1], expected)
    found.require(OURS.name, _INTERPRETER_TOLERANCE)
    return found


def _peer_record(peer: Peer, times: Mapping[str, Times], peer_isa: str) -> PeerRecord:
    ratios = {
        each.side.name: paired_ratio(times[each.side.name], times[OURS.name])
        for each in peer.contenders
    }
    best = min(peer.contenders, key=lambda contender: ratios[contender.side.name].median)
    name, facts = best.side.name, best.side.facts
    limit = peer_isa if facts.variables else ""
    return PeerRecord(
        engine=EngineRecord(times[name], facts, best.side.memory()),
        ratio=ratios[name],
        agreement=best.agreement,
        description=peer.engine.description,
        instruction_set=instruction_set(peer.engine, facts.told, cpu_flags(), limit),
        chosen=_chosen(peer, best, times),
    )


def _chosen(peer: Peer, best: Contender, times: Mapping[str, Times]) -> Chosen | None:
    if best.preparation is None:
        return None
    return Chosen(
        name=best.preparation.name,
        description=best.preparation.description,
        facts=best.facts,
        medians_ms={
            each.preparation.name: times[each.side.name].median_ms
            for each in peer.contenders
            if each.preparation is not None
        },
        refused=peer.refused,
    )


def _macs(opened: Artifact) -> int | None:
    return sum(layer.macs for layer in opened.plan.layers) if opened.plan is not None else None
