"""Do inputs fit the schema that a workflow's front matter gives? Pure.

By JSON Schema 2020-12 (https://json-schema.org/draft/2020-12), through the library `jsonschema`:
what a schema means is not ours to decide. References lead within the schema only, which the front
matter has seen to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from rhythm.errors import InvalidWorkflowInputs
from rhythm.payloads import step_into


def check_inputs(workflow: str, schema: Mapping[str, Any] | None, inputs: object) -> None:
    """Refuse inputs that do not fit.

    Args:
        schema: None fits all.

    Raises:
        InvalidWorkflowInputs: with the path to the value that is most to blame.
    """
    if schema is None:
        return
    error = best_match(_validator(msgspec.json.encode(schema)).iter_errors(inputs))
    if error is not None:
        path = "".join(step_into(step) for step in error.absolute_path)
        raise InvalidWorkflowInputs(workflow, f"inputs{path}", _reason(error))


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.decode(schema))


def _reason(error: ValidationError) -> str:
    """What is wrong, without the value: errors are logged, and values are nobody's business."""
    wanted = error.validator_value
    match error.validator:
        case "required":
            missing = [name for name in wanted if name not in error.instance]
            return f"misses {', '.join(map(repr, missing))}"
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            return f"must be of type {' or '.join(kinds)}"
        case "additionalProperties":
            known = error.schema.get("properties", {})
            others = sorted(name for name in error.instance if name not in known)
            return f"has {', '.join(map(repr, others))}, which the workflow does not take"
        case "enum":
            return f"must be one of {', '.join(map(repr, wanted))}"
    return f"does not fit {error.validator!r}: {wanted!r}"
