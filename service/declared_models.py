"""The models that are asked, from the settings or from a YAML file that lists several in order of preference.

The format of the file is in docs/configuration.md. A key stands inline, or names an environment variable or a file.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from service.declared import DeclarationError, FromEnvironment, FromFile, look_up
from service.llm.base import open_provider
from service.llm.pricing import Price, Priced
from service.settings import Settings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DeclaredPrice(_Strict):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(None, ge=0)


class DeclaredModel(_Strict):
    """One model of the file."""

    provider: str
    api_key: str | FromEnvironment | FromFile | None = None
    model: str | None = None
    base_url: str | None = None
    price: DeclaredPrice | None = None


class _Document(_Strict):
    models: tuple[DeclaredModel, ...] = Field(min_length=1)


def open_models(settings: Settings) -> list[Priced]:
    """The models in order of preference; none where no key is configured.

    Raises `DeclarationError` or `LLMError`; no message holds a key.
    """
    if settings.llm_models is not None:
        return [
            _open(one, settings.llm_models.parent, settings.llm_timeout) for one in _read(settings.llm_models).models
        ]
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else ""
    if not key and not (settings.llm_provider == "openai" and settings.llm_base_url):
        return []
    return [
        Priced(
            open_provider(
                settings.llm_provider,
                api_key=key,
                model=settings.llm_model,
                base_url=settings.llm_base_url,
                timeout=settings.llm_timeout,
            )
        )
    ]


def _open(declared: DeclaredModel, folder: Path, timeout: float) -> Priced:
    key = look_up(declared.api_key, folder) if declared.api_key is not None else ""
    if not key and declared.base_url is None:
        raise DeclarationError(f"the model of {declared.provider} needs an api_key")
    provider = open_provider(
        declared.provider, api_key=key, model=declared.model, base_url=declared.base_url, timeout=timeout
    )
    price = declared.price
    if price is None:
        return Priced(provider)
    cached = price.input if price.cached_input is None else price.cached_input
    return Priced(provider, Price(price.input, price.output, price.input, cached))


def _read(path: Path) -> _Document:
    try:
        return _Document.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise DeclarationError(f"cannot read {path}: {error.strerror}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = (f"{path.name}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems)
        raise DeclarationError("\n".join(lines)) from None
