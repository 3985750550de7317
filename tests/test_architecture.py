"""The shape of the house: sizes, names, purity, guards of flat packages. Who imports whom is import-linter's."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "streaming", "prompts", "eval")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 45

# What a module of these may never name: the line's pure parts hold no device, socket, thread, clock or model.
IMPURE = (
    "anyio asyncio av datetime faster_whisper multiprocessing onnxruntime parselmouth pocketsphinx random socket "
    "sounddevice subprocess threading time torch transformers"
)
PURE_STREAMING = (
    "acoustics baseline batching candidates controls ctc ctc_alignment ctc_beam describe endings endpoint ensemble "
    "errors events hallucination languages lattice listener manual measures nbest pitch ports prosody remote/breaker "
    "remote/complaints remote/retry remote/sse rhythm rover segmenter spectrum speech stability standing stretches "
    "turns wav"
)
PURE_AGENT = (
    "affect bargein behaviour client/address client/hearing conversation correction distribution duplex "
    "elicitation/ambiguity elicitation/calibration elicitation/choices elicitation/label_scores "
    "elicitation/stated_numbers elicitation/text_level elicitation/token_level elicitation/values elicitation/voting "
    "errors events expression floor fusion/evidence fusion/experts fusion/inertia fusion/signs given labels "
    "llm/drawing llm/grammar llm/json_automaton llm/json_shape llm/labels llm/prefix llm/sampling llm/stopping "
    "llm/template llm/token_mask llm/values memory overlap phrases playback ports r3/answer r3/asr_relation "
    "r3/blocks r3/compose r3/condition r3/context r3/disagreement r3/error_correction r3/shots r3/tasks r3/untrusted "
    "reply/hedging reply/program reply/tools reply/written revision safety/leaks sentences topics "
    "translation/compose translation/condition translation/languages translation/written unfinished wire/answering "
    "wire/arranging wire/asking wire/beta wire/buffer wire/codec wire/creating wire/detection wire/dialect "
    "wire/doubt wire/expression wire/extension wire/faults wire/g711 wire/hearing wire/holding wire/hume wire/ids "
    "wire/inbound wire/items wire/merging wire/message wire/rates wire/realtime wire/refusals wire/requests "
    "wire/response wire/schema/attune wire/schema/client wire/schema/emotion wire/schema/examples wire/schema/export "
    "wire/schema/items wire/schema/responses wire/schema/server wire/schema/session wire/schema/translations "
    "wire/schema/values wire/settings wire/translation_settings wire/translations"
)
PURE = [f"streaming/{name}.py" for name in PURE_STREAMING.split()] + [f"agent/{name}.py" for name in PURE_AGENT.split()]
# Heavy packages are imported by nobody but the adapter that needs them.
HEAVY = {
    "comet",
    "torch",
    "transformers",
    "llama_cpp",
    "faster_whisper",
    "ctranslate2",
    "gguf",
    "peft",
    "piper",
    "ray",
    "vllm",
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_are_the_ones_that_get_imported(package: str):
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_no_other_distribution_owns_our_package_names():
    owners = {
        (dist.metadata["Name"], file.parts[0])
        for dist in importlib.metadata.distributions()
        for file in dist.files or ()
        if file.parts[0] in PACKAGES and dist.metadata["Name"] != "attune"
    }
    assert not owners


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > MAX_FUNCTION_LINES
    ]
    assert not long


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_are_never_imported_outside_backends(path: Path):
    if "backends" not in path.parts and path.parent != ROOT / "eval" / "tiny":
        assert not imported(path) & HEAVY


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_know_no_device_clock_or_thread(name: str):
    assert not imported(ROOT / name) & set(IMPURE.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist_and_are_sorted(package: str):
    module = importlib.import_module(package)
    names: list[str] = getattr(module, "__all__", [])
    assert names == sorted(names)
    assert all(hasattr(module, name) for name in names)


def test_the_top_level_holds_only_what_was_agreed():
    allowed = {*PACKAGES, "tests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.suffix != ".egg-info"}
    assert found <= allowed
