"""Is a document valid for its type, and if not, why not. Two validators, one answer.

The fast one (jsonschema-rs) says yes or no; for what it refuses, python-jsonschema writes the words.
"""

from __future__ import annotations

from commensal.core.validation.messages import ErrorType, FieldError
from commensal.core.validation.schemas import is_rfc3339
from commensal.core.validation.validators import TypeValidator, Validators, compile_validators

__all__ = ["ErrorType", "FieldError", "TypeValidator", "Validators", "compile_validators", "is_rfc3339"]
