"""The spool's blocks: what was written is read, and what is broken costs no more than itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_values import values_of

from fleet.codec.text import dump_line
from fleet.model.samples import AgentSample, DeviceSample, HostSample, Sample
from fleet.remote.sampling.columns import (
    MAGIC,
    Block,
    Damaged,
    Kind,
    Table,
    blocks,
    framed,
    own_schema,
    read_rows,
    read_schema,
    rows_block,
    schema_block,
)
from fleet.remote.sampling.packing import Type

SCHEMA = own_schema()


def one(data: bytes) -> bytes:
    """The content of the one block that this is."""
    (block,) = blocks(data)
    assert isinstance(block, Block)
    assert block.end == len(data)
    return block.content


@settings(deadline=None)
@given(st.lists(values_of(Sample), max_size=20))
def test_samples_read_back(samples: list[Sample]) -> None:
    """Whatever the vocabulary can say, None apart from 0 and from the empty tuple, in order within each class."""
    found = read_rows(SCHEMA, one(rows_block(SCHEMA, samples)))
    for kind in (HostSample, DeviceSample, AgentSample):
        assert [each for each in found if type(each) is kind] == [each for each in samples if type(each) is kind]
    assert len(found) == len(samples)


def test_the_schema_reads_back() -> None:
    assert read_schema(one(schema_block(SCHEMA))) == SCHEMA


def test_a_spool_of_another_version_gives_what_both_know() -> None:
    """A column that this fleet does not know is passed over; one that the writer did not have is None."""
    old = (
        Table(HostSample, (("host", Type.TEXT), ("time", Type.FLOAT), ("moon", Type.INTS), ("runnable", Type.INT))),
        Table(DeviceSample, (("host", Type.TEXT), ("time", Type.FLOAT))),
    )
    text = json.dumps(
        [
            {"table": "host_sample", "columns": [[name, kind] for name, kind in old[0].columns]},
            {"table": "weather_sample", "columns": [["rain", Type.FLOAT]]},
        ]
    )
    schema = read_schema(text.encode())
    assert schema == (old[0], None)
    moon = b"\x01" + (2).to_bytes(2, "little") + b"\x00" * 16
    row = b"\x00\x01\x00" + b"\x01\x03\x00box" + b"\x01" + b"\x00" * 8 + moon + b"\x01\x07" + b"\x00" * 7
    assert read_rows(schema, row) == [HostSample(host="box", time=0.0, runnable=7)]


@settings(deadline=None)
@given(st.data())
def test_a_torn_or_damaged_block_costs_itself_only(data: st.DataObject) -> None:
    """The file is cut anywhere, or a byte of it changes: the other blocks are read, nothing is raised or made up."""
    samples = [HostSample(host="box", time=float(at), cpu_busy=at / 7) for at in range(6)]
    written = [rows_block(SCHEMA, [each]) for each in samples]
    whole = b"".join(written)
    ends = [sum(map(len, written[: at + 1])) for at in range(len(written))]
    at = data.draw(st.integers(0, len(whole) - 1))
    hit = sum(end <= at for end in ends)
    if data.draw(st.booleans()):
        found = list(blocks(whole[:at]))
        assert [read_rows(SCHEMA, each.content)[0] for each in found if isinstance(each, Block)] == samples[:hit]
    else:
        changed = bytearray(whole)
        changed[at] ^= data.draw(st.integers(1, 255))
        kept = [read_rows(SCHEMA, each.content)[0] for each in blocks(bytes(changed)) if isinstance(each, Block)]
        # A length that was made larger may swallow the end of what is there: then the reader waits for more.
        assert kept in (samples[:hit] + samples[hit + 1 :], samples[:hit])


@pytest.mark.parametrize(
    "content",
    [
        b"\x09\x01\x00",
        b"\x00\xff\xff\x01\x03\x00box",
        b"\x00\x01\x00" + b"\x01\x03\x00box" + b"\x01" + b"\x00\x00\x00\x00\x00\x00\xf8\x7f" + b"\x00" * 30,
        b"\x00\x01\x00" + b"\x00" * 40,
    ],
    ids=["no such table", "rows that are not there", "NaN", "a sample without a host"],
)
def test_rows_that_no_sampler_writes_are_refused(content: bytes) -> None:
    """A host is not trusted: its columns become samples only where every value is one that a sample may hold."""
    try:
        found = read_rows(SCHEMA, content)
    except Damaged:
        return
    assert found == []


def test_a_small_block_cannot_grow_large() -> None:
    """What a block inflates to is bounded by what its header says, and that by the limit."""
    assert list(blocks(framed(Kind.ROWS, b"\x00" * 2**21))) != []
    assert not any(isinstance(each, Block) for each in blocks(framed(Kind.ROWS, b"\x00" * 2**21)))
    assert MAGIC in framed(Kind.ROWS, b"")


def test_a_sample_takes_a_fraction_of_its_json() -> None:
    """Eight cards and their host at one tick."""
    card = DeviceSample(
        host="box", device="gpu0", time=1795396000.25, emulated=False, busy=0.97, memory_used=22 * 2**30, power=412.6,
        temperature=71.0, sm_clock=1.98e9, throttle=4, memory_busy=0.55, power_limit=450.0, pcie_generation=4,
        pcie_width=16, received=3.1e9, sent=2.2e9, xids=(), violation_power=0.25, memory_clock=1.05e10,
    )  # fmt: skip
    tick: list[Sample] = [HostSample(host="box", time=1795396000.25, cpu_busy=0.31, memory_used=2**36, runnable=3)]
    tick += [replace(card, device=f"gpu{at}", power=400.0 + at * math.pi) for at in range(8)]
    assert len(rows_block(SCHEMA, tick)) * 5 < sum(len(dump_line(each)) for each in tick)
