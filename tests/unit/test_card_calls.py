"""How NVML's answers lie in memory, against pynvml's own structures; and what becomes of calls that begin to fail."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import pynvml  # noqa: TID251 (its structures are what ours are compared with)
import pytest

from fleet.remote.sampling import cards
from fleet.remote.sampling.card import Card
from fleet.remote.sampling.cardcalls import Counts, Questions, Way, no_counts, shape_of
from fleet.remote.sampling.cards import CardReading, Slow, card_sample, growth

NARROW, WIDE = 1, 3
"""nvmlValueType_t: 32 bits and 64."""


@pytest.mark.parametrize(
    ("function", "made", "words"),
    [
        ("nvmlDeviceGetUtilizationRates", pynvml.c_nvmlUtilization_t(gpu=71, memory=35), (71, 35)),
        ("nvmlDeviceGetMemoryInfo_v2", pynvml.c_nvmlMemory_v2_t(total=1, reserved=2, free=3, used=2**40), (2**40,)),
        ("nvmlDeviceGetMemoryInfo", pynvml.c_nvmlMemory_t(total=1, free=3, used=2**40), (2**40,)),
        ("nvmlDeviceGetTemperatureV", pynvml.c_nvmlTemperature_v1_t(sensorType=0, temperature=-3), (-3,)),
        (
            "nvmlDeviceGetViolationStatus",
            pynvml.c_nvmlViolationTime_t(referenceTime=9, violationTime=2**41),
            (2**41,),
        ),
    ],
)
def test_structures_lie_as_pynvml_lays_them_out(function: str, made: ctypes.Structure, words: tuple[int, ...]) -> None:
    """Every word at its place, and room for all of them: the driver writes the whole structure."""
    ways = [way for table in (cards._FAST, cards._SLOW) for ways in table.values() for way in ways]
    found = [way for way in ways if way.function == function]
    assert found
    for way in found:
        assert struct.calcsize(way.layout) == ctypes.sizeof(made)
        assert struct.unpack(way.layout, bytes(made)) == words


def test_versions_are_pynvmls() -> None:
    """By them the driver knows which structure it has been given."""
    ways = [way for table in (cards._FAST, cards._SLOW) for ways in table.values() for way in ways]
    versions = {way.function: way.version for way in ways if way.version}
    assert versions == {
        "nvmlDeviceGetMemoryInfo_v2": pynvml.nvmlMemory_v2,
        "nvmlDeviceGetTemperatureV": pynvml.nvmlTemperature_v1,
    }


@pytest.mark.parametrize(
    ("kind", "member", "value", "bits"),
    [
        (pynvml.NVML_VALUE_TYPE_DOUBLE, "dVal", 2.5, 64),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, "uiVal", 2**32 - 1, 32),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG, "ulVal", 2**63, 64),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ullVal", 2**64 - 1, 64),
        (pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG, "sllVal", -5, 64),
        (pynvml.NVML_VALUE_TYPE_SIGNED_INT, "siVal", -5, 32),
    ],
)
def test_field_values_lie_as_pynvml_lays_them_out(kind: int, member: str, value: float, bits: int) -> None:
    """Two in a row, one of them refused: type, nvmlReturn_t and value of each."""
    made = (pynvml.c_nvmlFieldValue_t * 2)()
    made[0].valueType, made[1].valueType, made[1].nvmlReturn = kind, WIDE, 3
    setattr(made[0].value, member, value)
    shape = shape_of((kind, WIDE))
    assert shape.heads(made) == (kind, 0, WIDE, 3)
    assert shape.read(made) == (value, 0)
    assert shape.bits == (bits, 64)


def test_a_type_that_is_not_known_is_never_fine() -> None:
    """Its bytes mean nothing to us, and it has no width; those after it still mean what they do."""
    shape = shape_of((99, WIDE))
    assert shape.bits == (0, 64)
    assert shape.fine == ()
    made = (pynvml.c_nvmlFieldValue_t * 2)()
    made[0].value.ullVal, made[1].value.ullVal = 5, 6
    assert shape.read(made)[1] == 6


class Driver:
    """As much of pynvml as a card needs: functions that answer a number, or with the error that a test plants."""

    codes: ClassVar[Mapping[str, int]] = {}

    def __init__(self, **answers: int) -> None:
        self.answers = answers
        self.errors: dict[str, int] = {}
        self.asked: list[str] = []
        functions = {name: getattr(pynvml, name) for name in ("NVMLError", "NVML_ERROR_FUNCTION_NOT_FOUND")}
        self.module: Any = SimpleNamespace(
            **functions, nvmlDeviceGetHandleByIndex=lambda _index: None, _nvmlGetFunctionPointer=self._pointer
        )

    def _pointer(self, name: str) -> Callable[..., int]:
        if name not in self.answers:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)

        def call(_handle: object, reference: Any) -> int:
            self.asked.append(name)
            if error := self.errors.get(name):
                return error
            ctypes.cast(reference, ctypes.POINTER(ctypes.c_uint))[0] = self.answers[name]
            return 0

        return call


QUESTIONS: Questions = {"one": (Way("new", (), "=I"), Way("old", (), "=I")), "two": (Way("two", (), "=I"),)}


def test_the_first_way_that_the_driver_has_is_kept_to() -> None:
    """A driver without the new function is asked the old one, once a tick, and the new one never again."""
    driver = Driver(old=7, two=8)
    card = Card(driver.module, 0)
    for _ in range(3):
        assert card.answers(QUESTIONS) == (7, 8)
    assert driver.asked == ["old", "two"] * 3
    assert card.news() == ()


def test_an_error_that_may_pass_costs_its_own_answer_only_and_is_noted_once() -> None:
    """Though the calls had become a plan; afterwards it answers again, and every call is made once a tick."""
    driver = Driver(new=7, two=8)
    card = Card(driver.module, 0)
    card.answers(QUESTIONS)
    driver.errors["new"] = pynvml.NVML_ERROR_UNKNOWN
    assert [card.answers(QUESTIONS) for _ in range(3)] == [(None, 8)] * 3
    assert [field for field, _ in card.news()] == ["one"]
    driver.errors.clear()
    driver.asked.clear()
    assert [card.answers(QUESTIONS) for _ in range(2)] == [(7, 8)] * 2
    assert driver.asked == ["new", "two"] * 2


def test_a_call_that_is_not_supported_any_more_gives_way_to_the_older_one() -> None:
    """And where there is none, the question is never asked again."""
    driver = Driver(new=7, old=6, two=8)
    card = Card(driver.module, 0)
    card.answers(QUESTIONS)
    driver.errors |= {"new": pynvml.NVML_ERROR_NOT_SUPPORTED, "two": pynvml.NVML_ERROR_NOT_SUPPORTED}
    assert card.answers(QUESTIONS) == (6, None)
    driver.asked.clear()
    assert card.answers(QUESTIONS) == (6, None)
    assert driver.asked == ["old"]
    assert [field for field, _ in card.news()] == ["two"]


def test_a_card_that_is_lost_in_mid_tick_tells_nothing_of_that_tick_and_is_asked_no_more() -> None:
    """Half a reading would look like a card that lacks the rest."""
    driver = Driver(new=7, two=8)
    card = Card(driver.module, 0)
    card.answers(QUESTIONS)
    driver.errors["two"] = pynvml.NVML_ERROR_GPU_IS_LOST
    assert card.answers(QUESTIONS) == (None, None)
    assert card.lost
    driver.asked.clear()
    assert card.answers(QUESTIONS) == (None, None)
    assert driver.asked == []
    assert [field for field, _ in card.news()] == ["*"]


def counts(value: int, bits: int) -> Counts:
    return Counts((value,), (bits,))


@pytest.mark.parametrize(
    ("old", "new", "bits", "most", "grew"),
    [
        (5, 9, 64, 0.0, 4),
        (9, 5, 64, 0.0, None),
        (2**32 - 6, 4, 32, 1e6, 10),
        (5, 9, 32, 2.0**32, None),
        (9, 9, 32, 2.0**32, None),
        (9, 9, 64, 2.0**70, 0),
        (5, 9, 32, 0.0, 4),
        (9, 5, 32, 0.0, None),
    ],
    ids=[
        "grew", "was reset", "went round once", "may have gone round", "likewise, standing", "64 bits never do",
        "what is rare grew", "what is rare was reset and has not gone round",
    ],
)  # fmt: skip
def test_counters_go_round(old: int, new: int, bits: int, most: float, grew: int | None) -> None:
    """Once, where they are narrow and cannot have done so twice."""
    assert growth(counts(old, bits), counts(new, bits), (most,)) == [grew]


def test_a_counter_whose_width_has_changed_is_not_compared() -> None:
    """As after a driver that answers in another type; nor one that is not there any more."""
    assert growth(counts(5, 32), counts(9, 64)) == [None]
    assert growth(counts(5, 64), no_counts({"sent": 1})) == [None]


def test_what_a_driver_does_not_know_is_none() -> None:
    """All ones are no utilisation, no memory and no clock reasons."""
    slow = Slow(0.0)
    told = (2**32 - 1, 50, 2**64 - 1, None, None, 2**64 - 1)
    before, after = (CardReading(at, told, no_counts(cards._FIELDS), slow) for at in (1.0, 2.0))
    sample = card_sample("box", "gpu0", 0.0, before, after, None)
    assert (sample.busy, sample.memory_busy, sample.memory_used, sample.throttle) == (None, 0.5, None, None)


def test_a_violation_counter_that_was_reset_has_no_share() -> None:
    """None, and never less than nothing; in the same second another one has its share, which is never above one."""
    old, new = ((5 * 10**8, 2 * 10**9, 0, None, 0), (10**8, 2 * 10**9 + 25 * 10**7, 10**10, None, None))
    before, after = (
        CardReading(at, (None,) * 6, no_counts(cards._FIELDS), Slow(at, violations=told))
        for at, told in ((1.0, old), (2.0, new))
    )
    sample = card_sample("box", "gpu0", 0.0, before, after, None)
    found = sample.violation_power, sample.violation_thermal, sample.violation_sync, sample.violation_board
    assert found == (None, 0.25, 1.0, None)
    assert sample.violation_reliability is None


def test_fields_have_nvmls_numbers() -> None:
    """By name, as the header has them."""
    names = {
        "ecc_corrected": pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL,
        "ecc_uncorrected": pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL,
        "memory_temperature": pynvml.NVML_FI_DEV_MEMORY_TEMP,
        "pcie_replays": pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER,
        "sent": pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES,
        "received": pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES,
        "nvlink_sent": pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
        "nvlink_received": pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
    }
    fields = {**cards._FIELDS, **cards._SLOW_FIELDS}
    assert {name: number[0] if isinstance(number, tuple) else number for name, number in fields.items()} == names
