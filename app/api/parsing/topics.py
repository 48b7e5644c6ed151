"""What is asked of streams and topics: names, partitions, configurations."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from app.api.parsing.messages import Body
from app.api.parsing.refusals import checked
from app.api.parsing.strict import strict_json
from app.errors import ValidationFailed
from app.names import MAX_NAME, MAX_PARTITIONS, TopicName
from app.topic import CLEANUP_POLICY, RETENTION_BYTES, RETENTION_MS, TopicSpec


def _text_configs(configs: dict[str, Any]) -> dict[str, str]:
    for name, value in configs.items():
        if not isinstance(value, str | int | float):
            raise PydanticCustomError("configs", "{name} must be a text, a number or true or false", {"name": name})
    return {name: _config_text(value) for name, value in configs.items()}


def _config_text(value: str | float | bool) -> str:  # noqa: FBT001  # Kafka writes its booleans in lower case
    return str(value).lower() if isinstance(value, bool) else str(value)


NewName = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME})]


class StreamBody(Body):
    name: NewName


class TopicChangeBody(Body):
    partitions: Annotated[int, Field(strict=True, ge=1, le=MAX_PARTITIONS)] | None = None
    retention_ms: Annotated[int, Field(strict=True, ge=-1, lt=2**63)] | None = None
    retention_bytes: Annotated[int, Field(strict=True, ge=-1, lt=2**63)] | None = None
    cleanup_policy: Annotated[str, StringConstraints(min_length=1)] | None = None
    configs: Annotated[dict[str, Any], AfterValidator(_text_configs)] = Field(default_factory=dict)


class TopicBody(TopicChangeBody):
    name: NewName
    partitions: Annotated[int, Field(strict=True, ge=1, le=MAX_PARTITIONS)] = 1
    replication_factor: Annotated[int, Field(strict=True, ge=1, lt=2**15)] | None = None


def stream_name(body: bytes) -> str:
    """The name of the stream to create. Raises BadRequest, ValidationFailed."""
    return checked(StreamBody.model_validate, strict_json(body)).name


def topic_spec(stream: str, body: bytes) -> tuple[TopicName, TopicSpec]:
    """The topic to create. Raises BadRequest, ValidationFailed."""
    asked = checked(TopicBody.model_validate, strict_json(body))
    name = TopicName.create(stream, asked.name)
    return name, TopicSpec(name.full, asked.partitions, _configs(asked), asked.replication_factor)


def topic_change(body: bytes) -> tuple[int | None, Mapping[str, str]]:
    """Partitions and configurations that a topic shall have. Raises BadRequest, ValidationFailed."""
    asked = checked(TopicChangeBody.model_validate, strict_json(body))
    return asked.partitions, _configs(asked)


def _configs(asked: TopicChangeBody) -> dict[str, str]:
    configs: dict[str, str] = dict(asked.configs)
    shortcuts = {
        RETENTION_MS: asked.retention_ms,
        RETENTION_BYTES: asked.retention_bytes,
        CLEANUP_POLICY: asked.cleanup_policy,
    }
    for config, value in shortcuts.items():
        if value is not None and configs.setdefault(config, str(value)) != str(value):
            raise ValidationFailed.of(f"configs.{config}", f"says {configs[config]!r}, its field says {str(value)!r}")
    return configs
