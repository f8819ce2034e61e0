"""The answers of contracts/gen3.md 4.5 and 4.7, made from entities."""

from __future__ import annotations

from collections.abc import Sequence

from commensal.core.entities import Entity, Reading
from commensal.core.records import DeletionResult, EntityResult, SubmissionResult, TransactionalError, UnchangedResult

__all__ = ["aborted", "deletion_result", "submission_result"]


def submission_result(
    reading: Reading, transaction: int, project_id: str, *, create_only: bool, dry_run: bool
) -> SubmissionResult:
    """Return the answer to an upload; an error anywhere means that nothing was written."""
    created = updated = wrong = 0
    entities: list[EntityResult] = []
    add = entities.append
    for entity in reading.entities:
        errors = entity.errors
        if errors:
            wrong += 1
        elif entity.action == "create":
            created += 1
        else:
            updated += 1
        add(
            (UnchangedResult if entity.unchanged else EntityResult)(
                not errors,
                entity.action,
                entity.type_name,
                entity.uuid or None,
                errors,
                entity.warnings,
                [{"project_id": project_id, "submitter_id": _name(entity)}],
            )
        )
    success = not wrong and not reading.transactional
    return SubmissionResult(
        transaction_id=transaction,
        success=success,
        code=200 if dry_run else 400 if not success else 201 if create_only else 200,
        message=_message(wrong, len(reading.transactional), dry_run=dry_run),
        entities=entities,
        entity_error_count=wrong,
        transactional_error_count=len(reading.transactional),
        transactional_errors=reading.transactional,
        created_entity_count=created if success else 0,
        updated_entity_count=updated if success else 0,
    )


def _name(entity: Entity) -> object:
    return entity.submitter_id or entity.doc.get("submitter_id")


def _message(wrong: int, transactional: int, *, dry_run: bool) -> str:
    if not wrong and not transactional:
        if dry_run:
            return "Dry run successful. This transaction would have succeeded; nothing was written."
        return "Transaction successful."
    return aborted(wrong, transactional)


def aborted(wrong: int, transactional: int) -> str:
    """Return the sentence of a refused transaction."""
    reasons: list[str] = []
    if wrong:
        reasons.append(f"{wrong} invalid {'entity' if wrong == 1 else 'entities'}")
    if transactional:
        reasons.append(f"{transactional} transactional {'error' if transactional == 1 else 'errors'}")
    return f"Transaction aborted due to {' and '.join(reasons)}."


def deletion_result(
    entities: Sequence[EntityResult],
    transactional: list[TransactionalError | str],
    transaction: int,
    dependents: Sequence[str],
    *,
    dry_run: bool,
) -> DeletionResult:
    """Return the answer to a deletion of entities."""
    wrong = sum(1 for entity in entities if not entity.valid)
    success = not wrong and not transactional
    return DeletionResult(
        transaction_id=transaction,
        success=success,
        code=200 if success or dry_run else 400,
        message=_message(wrong, len(transactional), dry_run=dry_run),
        entities=list(entities),
        entity_error_count=wrong,
        transactional_error_count=len(transactional),
        transactional_errors=transactional,
        deleted_entity_count=len(entities) if success else 0,
        dependent_ids=",".join(dependents),
    )
