"""A rule in Python: flags whoever runs a temperature.

Built with componentize-py, which is on PyPI, and run with WASI that has nothing behind it:

    componentize-py --wit-path wit --world filter componentize --python-path examples/fever-python \
        --output fever.wasm rule
    weir run --rule fever.wasm --grant inert-wasi --settings '{"above": 39}' records.ndjson
"""

import base64
import json
import math

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import rule
from wit_world.exports.rule import (
    Batch,
    Description,
    Encoding,
    Failure,
    Flag,
    Outcome,
    SettingsError,
    Verdict,
)

SETTINGS_SCHEMA = {"properties": {"above": {"type": "number"}}, "additionalProperties": False}


class Rule(exports.Rule):
    """What the rule says of itself."""

    def describe(self) -> Description:
        return Description("fever-python", "1.0.0", json.dumps(SETTINGS_SCHEMA), False, False)


class Classifier(rule.Classifier):
    """The rule, opened with settings."""

    def __init__(self, above: float):
        self.above = above

    @classmethod
    def open(cls, settings: str) -> "Classifier":
        document = json.loads(settings)
        above = document.pop("above", 38.0)
        if not is_number(above):
            raise Err(SettingsError("/above", json.dumps(above), "a number"))
        for name, value in document.items():
            raise Err(SettingsError(f"/{name}", json.dumps(value), "no such setting"))
        return cls(above)

    def classify(self, batch: Batch) -> Outcome:
        outcome = Outcome([], [], [], None)
        start = 0
        for index, end in enumerate(batch.payloads.ends):
            payload = batch.payloads.bytes[start:end]
            start = end
            try:
                text = decode(payload, batch.encoding)
                temperature = read_temperature(text)
            except ValueError as error:
                outcome.verdicts.append(Verdict.FAIL)
                outcome.failed.append(Failure(index, str(error)))
                continue
            if temperature > self.above:
                outcome.verdicts.append(Verdict.FLAG)
                outcome.flagged.append(Flag(index, temperature, None, None, text))
            else:
                outcome.verdicts.append(Verdict.PASS)
        return outcome

    def snapshot(self) -> bytes:
        return b""

    def restore(self, snapshot: bytes) -> None:
        if snapshot:
            raise Err("this rule keeps no state")


def decode(payload: bytes, encoding: Encoding) -> str:
    """The text of a payload. Errors hold nothing of it: they may be logged."""
    try:
        if encoding == Encoding.BASE64:
            payload = base64.b64decode(payload, validate=True)
        return payload.decode()
    except ValueError:
        raise ValueError("not base64 of UTF-8") from None


def read_temperature(text: str) -> float:
    """The temperature in a record, which is JSON."""
    try:
        record = json.loads(text, parse_constant=no_json)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    temperature = record.get("temperature") if isinstance(record, dict) else None
    if not is_number(temperature):
        raise ValueError("no number at /temperature")
    try:
        temperature = float(temperature)
    except OverflowError:
        temperature = math.inf
    if not math.isfinite(temperature):
        raise ValueError("the number at /temperature is out of range")
    return temperature


def is_number(value: object) -> bool:
    """Whether it is a JSON number: to Python, true and false are numbers as well."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def no_json(constant: str) -> None:
    """Python takes NaN and Infinity, JSON does not."""
    raise ValueError(constant)
