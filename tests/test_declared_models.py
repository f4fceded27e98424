"""Models from the settings, and from a file that lists several."""

from pathlib import Path

import pytest

from service.app import StartError, create_app
from service.declared import DeclarationError
from service.declared_models import open_models
from service.llm.base import LLMError
from service.llm.pricing import Price
from service.settings import Settings


def settings(folder: Path, text: str | None = None, **fields: object) -> Settings:
    if text is not None:
        file = folder / "models.yaml"
        file.write_text(text)
        fields["llm_models"] = file
    return Settings(data_dir=folder, **fields)  # type: ignore[arg-type]


def test_models_are_asked_in_the_order_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "key-one")
    (tmp_path / "xai.key").write_text("key-two\n")
    first, second, third = open_models(
        settings(
            tmp_path,
            "models:\n"
            "- {provider: anthropic, api_key: {env: A_KEY}, model: claude-opus-5-5}\n"
            "- {provider: xai, api_key: {file: xai.key}}\n"
            "- {provider: openai, base_url: 'http://127.0.0.1:9/v1', model: llama, price: {input: 1, output: 2}}\n",
        )
    )
    assert [(one.provider.name, one.provider.model) for one in (first, second, third)] == [
        ("anthropic", "claude-opus-5-5"),
        ("xai", "grok-4.7"),
        ("openai", "llama"),
    ]
    assert third.declared == Price(1, 2, 1, 1)


def test_one_model_comes_from_the_settings_and_a_keyless_one_needs_an_address(tmp_path: Path) -> None:
    assert open_models(settings(tmp_path)) == []
    [one] = open_models(settings(tmp_path, llm_api_key="k", llm_provider="xai", llm_model="grok-4.3"))
    assert (one.provider.name, one.provider.model) == ("xai", "grok-4.3")
    [local] = open_models(settings(tmp_path, llm_provider="openai", llm_base_url="http://127.0.0.1:9/v1"))
    assert local.provider.name == "openai"
    assert open_models(settings(tmp_path, llm_provider="openai")) == []


WRONG = {
    "not yaml": ("models: [", "is not YAML"),
    "empty": ("", "Field required"),
    "unknown field": ("models: [{provider: xai, api_key: k, colour: red}]", "colour"),
    "no key": ("models: [{provider: xai}]", "the model of xai needs an api_key"),
    "no such variable": ("models: [{provider: xai, api_key: {env: NOT_SET_AT_ALL}}]", "NOT_SET_AT_ALL"),
    "unknown provider": ("models: [{provider: clippy, api_key: k}]", "known are anthropic, openai, xai"),
    "negative price": ("models: [{provider: xai, api_key: k, price: {input: -1, output: 1}}]", "price.input"),
}


@pytest.mark.parametrize(("text", "words"), list(WRONG.values()), ids=list(WRONG))
def test_a_wrong_file_is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises((DeclarationError, LLMError), match=words):
        open_models(settings(tmp_path, text))


def test_a_budget_needs_the_price_of_every_model(tmp_path: Path) -> None:
    file = "models: [{provider: openai, base_url: 'http://127.0.0.1:9/v1', model: llama}]"
    with pytest.raises(StartError, match="the price of llama is not known"):
        create_app(settings(tmp_path, file, llm_budget_day=5.0))


def test_a_file_and_a_single_key_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not both"):
        settings(tmp_path, "models: [{provider: xai, api_key: k}]", llm_api_key="k")
