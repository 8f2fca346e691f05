"""One model and its peers: opened, compared, then timed by turns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from signbin import artifact as sbn
from signbin import native
from signbin.artifact import Artifact
from signbin.environment import cpu_flags, environment
from signbin.errors import SignbinError
from signbin.measure import (
    OURS,
    Bench,
    CalmCores,
    Chosen,
    EngineRecord,
    PeerRecord,
    Times,
    choose_cores,
    find_peer,
    instruction_set,
    not_comparable,
    paired_ratio,
    take_turns,
)
from signbin.verbs.bench.check import check_program
from signbin.verbs.bench.contenders import Contender, EngineFiles, EngineStarter, Peer
from signbin.verbs.bench.float_network import float_network
from signbin.verbs.bench.images import gather_images
from signbin.verbs.bench.request import BenchRequest

__all__ = ["bench"]


def bench(request: BenchRequest) -> Bench:
    """Time a compiled model, paired with every peer it is compared with.

    All engines get the same random images (normal, seed 0), threads and cores, each in a
    process of its own. Before anything is timed, every engine computes other images (see
    :func:`signbin.verbs.bench.gather_images`). Ours of the first is compared with the
    interpreter's, node by node on the operands our program had: codes, and what is made of them,
    to the bit, floats to 1e-4 of the largest; and as a whole, to 1e-4, or to 0.05 where a float
    node comes before a quantise, in which the last bit of a float may turn a code. Every engine's
    output is compared with that of the float network, which peers get as ONNX with float32 weights
    and prepare themselves. Of a peer's preparations all that still compute the network race, and
    the one with the best ratio is the peer's record. A peer that is missing, fails or computes
    something else does not end the race: ``failures`` says why it has no record.

    Raises FormatError for a file that is no model, SpecError, ExecutionError for more threads than
    cores, and where our own program is not the network.
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
        checked = check_program(opened, request, images.checked[:1], ours.side.output[:1])
        expected = ours.side.output if expected is None else expected
        failures: dict[str, SignbinError] = {}
        peers = _open_peers(starter, request.against, expected, failures)
        calm = CalmCores(cores, request.schedule.calm_s) if request.schedule.calm_s else None
        times = _race(ours, peers, request, calm, failures)
        record = EngineRecord(times[OURS.name], ours.side.facts, ours.side.memory())
        records = _peer_records(peers, times, request.peer_isa, failures)
    return Bench(
        model=opened.graph.name,
        activations="f32" if network.is_the_model else "u8",
        input_shape=images.timed.shape,
        macs=_macs(opened),
        rounds=request.schedule.rounds,
        calm_turns=None if calm is None else calm.calm,
        ours=record,
        accuracy=checked.whole,
        tolerance=checked.tolerance,
        nodes=checked.nodes,
        float_network=network.source,
        against_float=ours.agreement,
        samples=MappingProxyType(images.described),
        peers=MappingProxyType(records),
        failures=MappingProxyType(
            {name: str(failures[name]) for name in request.against if name in failures}
        ),
        environment=environment({"signbin": native.version()}),
    )


def _open_peers(
    starter: EngineStarter,
    names: Sequence[str],
    expected: NDArray[np.float32],
    failures: dict[str, SignbinError],
) -> list[Peer]:
    """The peers that can race; why the others cannot goes into ``failures``."""
    peers = []
    for name in names:
        try:
            peers.append(starter.peer(find_peer(name), expected))
        except SignbinError as error:
            failures[name] = error
    return peers


def _race(
    ours: Contender,
    peers: Sequence[Peer],
    request: BenchRequest,
    calm: CalmCores | None,
    failures: dict[str, SignbinError],
) -> dict[str, Times]:
    """The times of all contenders that came through; one's failure goes into ``failures``."""
    sides = [ours.side, *(each.side for peer in peers for each in peer.contenders)]
    times = take_turns(sides, request.schedule, calm, failures)
    if OURS.name in failures:
        raise failures[OURS.name]
    return times


def _peer_records(
    peers: Sequence[Peer],
    times: Mapping[str, Times],
    peer_isa: str,
    failures: dict[str, SignbinError],
) -> dict[str, PeerRecord]:
    """A record of every peer of whom a contender came through."""
    records = {}
    for peer in peers:
        lost = {
            each.preparation.name if each.preparation else "": failures[each.side.name]
            for each in peer.contenders
            if each.side.name not in times
        }
        kept = tuple(each for each in peer.contenders if each.side.name in times)
        reasons = {**peer.refused, **{name: str(error) for name, error in lost.items()}}
        if not kept:
            failures[peer.engine.name] = next(iter(lost.values()))
            continue
        try:
            records[peer.engine.name] = _peer_record(
                Peer(peer.engine, kept, reasons), times, peer_isa
            )
        except SignbinError as error:
            failures[peer.engine.name] = error
    return records


def _peer_record(peer: Peer, times: Mapping[str, Times], peer_isa: str) -> PeerRecord:
    ratios = {
        each.side.name: paired_ratio(times[each.side.name], times[OURS.name])
        for each in peer.contenders
    }
    best = min(peer.contenders, key=lambda contender: ratios[contender.side.name].median)
    name, facts = best.side.name, best.side.facts
    limit = peer_isa if facts.variables else ""
    flags = cpu_flags()
    found = instruction_set(peer.engine, facts.told, flags, limit)
    return PeerRecord(
        engine=EngineRecord(times[name], facts, best.side.memory()),
        ratio=ratios[name],
        agreement=best.agreement,
        description=peer.engine.description,
        instruction_set=found,
        chosen=_chosen(peer, best, times),
        not_comparable=not_comparable(peer.engine, found, peer_isa, flags),
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
