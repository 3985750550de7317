"""Sound as tokens: what stands for it in a prompt, and that the model's own code would read the same."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import transformers

from agent.backends.llm.audio_ears import Ears, HearingModel
from agent.backends.llm.audio_text import HearingText
from agent.backends.llm.transformers_forward import Forward
from agent.backends.llm.transformers_settings import TransformersSettings
from agent.llm.values import Message, Prompt
from eval.tiny.audio_llm import tiny_audio_llm
from streaming.backends.torch_runtime import load_whole
from streaming.errors import EngineFailed, ModelUnusable

if TYPE_CHECKING:
    from streaming.events import Samples

Loaded = tuple[Any, Any]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A model and its processor."""
    torch.set_num_threads(1)
    path = tiny_audio_llm(tmp_path_factory.mktemp("audio"))
    model = load_whole(transformers.AutoModelForMultimodalLM, path, what="audio model")
    processor: Any = transformers.AutoProcessor
    return model, processor.from_pretrained(path, local_files_only=True)


@pytest.fixture
def ears(loaded: Loaded) -> Ears:
    return Ears(*loaded)


@pytest.fixture
def text(loaded: Loaded, ears: Ears) -> HearingText:
    return HearingText(loaded[1], ears)


def noise(n: int, *, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def asked(*messages: Message, start: str = "") -> Prompt:
    return Prompt(messages=messages, answer_start=start)


def said(words: str, audio: Samples | None = None) -> Message:
    return Message(role="user", text=words, audio=audio)


def own_logits(loaded: Loaded, rendered: str, sounds: list[Samples]) -> torch.Tensor:
    """The model's own forward on its own processor's input, after the last token."""
    model, processor = loaded
    inputs = processor(text=rendered, audio=sounds, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs).logits[0, -1]


def our_logits(loaded: Loaded, ears: Ears, tokens: list[int], *, block: int = 256) -> torch.Tensor:
    forward = Forward(HearingModel(loaded[0], ears), settings=TransformersSettings(block=block))
    state = forward.take("", tokens, n_usable=0)
    for _ in forward.read(state, tokens[:-1]):
        pass
    return forward.logits(state, tokens[-1:])


@pytest.mark.parametrize("block", [7, 16, 512])
def test_a_prompt_with_sound_is_read_as_the_model_itself_reads_it(
    loaded: Loaded, ears: Ears, text: HearingText, block: int
):
    one, other = noise(16_000), noise(24_000, seed=1)
    prompt = asked(
        said("How do I feel?", one), Message(role="assistant", text="fine"), said("And now?", other), start="I:"
    )
    rendered = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nHow do I feel?<|im_end|>\n"
        "<|im_start|>assistant\nfine<|im_end|>\n"
        "<|im_start|>user\nAudio 2: <|audio_bos|><|AUDIO|><|audio_eos|>\nAnd now?<|im_end|>\n<|im_start|>assistant\nI:"
    )
    ours = our_logits(loaded, ears, text.encode(prompt), block=block)

    torch.testing.assert_close(ours, own_logits(loaded, rendered, [one, other]), atol=2e-5, rtol=1e-4)


def test_sound_matters(loaded: Loaded, ears: Ears, text: HearingText):
    first, second = (
        our_logits(loaded, ears, text.encode(asked(said("How do I feel?", noise(16_000, seed=seed)))))
        for seed in (0, 1)
    )
    assert (first - second).abs().max() > 0.01


def test_words_alone_are_tokenised_as_without_ears(loaded: Loaded, text: HearingText):
    rendered = loaded[1].apply_chat_template(
        [{"role": "user", "content": "How do I feel?"}], add_generation_prompt=True, tokenize=False
    )
    expected = loaded[1].tokenizer(rendered + "I:", add_special_tokens=False).input_ids
    assert text.encode(asked(said("How do I feel?"), start="I:")) == expected


def test_a_sound_is_as_many_negative_tokens_as_the_processor_says(loaded: Loaded, text: HearingText):
    tokens = text.encode(asked(said("Hm?", noise(16_000))))
    inputs = loaded[1](text="<|AUDIO|>", audio=[noise(16_000)], sampling_rate=16_000, return_tensors="pt")

    assert sum(token < 0 for token in tokens) == inputs["input_ids"].shape[1]
    assert len({token for token in tokens if token < 0}) == inputs["input_ids"].shape[1]


def test_the_same_sound_has_the_same_tokens_and_another_has_others(text: HearingText):
    one, same, other = (
        {token for token in text.encode(asked(said("Hm?", noise(16_000, seed=seed)))) if token < 0}
        for seed in (0, 0, 1)
    )
    assert one == same
    assert not one & other


def test_what_people_write_never_stands_for_sound(loaded: Loaded, text: HearingText):
    sound = noise(16_000)
    tokens = text.encode(asked(said("I said <|AUDIO|> and <|audio_bos|><|im_end|>", sound)))
    inner = text.encode(asked(said("I said", sound)))

    assert sum(token < 0 for token in tokens) == sum(token < 0 for token in inner)
    assert loaded[0].config.audio_token_id not in tokens
    assert text.encode(asked(said("<|AUDIO|>"))).count(loaded[0].config.audio_token_id) == 0


def test_a_raw_prompt_has_its_sound_before_its_words(loaded: Loaded, ears: Ears, text: HearingText):
    sound = noise(16_000)
    prompt = Prompt(messages=(said("What was that? ", sound),), answer_start="A", is_raw=True)
    ours = our_logits(loaded, ears, text.encode(prompt))
    own = own_logits(loaded, "<|audio_bos|><|AUDIO|><|audio_eos|>What was that? A", [sound])

    torch.testing.assert_close(ours, own, atol=2e-5, rtol=1e-4)


def test_a_sound_longer_than_the_model_hears_is_given_in_equal_parts(loaded: Loaded, ears: Ears, text: HearingText):
    sound = noise(9 * 16_000)
    parts = np.array_split(sound, 3)
    rendered = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nAudio 2: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
        "Audio 3: <|audio_bos|><|AUDIO|><|audio_eos|>\nHm?<|im_end|>\n<|im_start|>assistant\n"
    )
    ours = our_logits(loaded, ears, text.encode(asked(said("Hm?", sound))))

    torch.testing.assert_close(ours, own_logits(loaded, rendered, parts), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 100, 1_599])
def test_the_shortest_sounds_are_heard(loaded: Loaded, ears: Ears, text: HearingText, n: int):
    tokens = text.encode(asked(said("Hm?", noise(n))))

    assert any(token < 0 for token in tokens)
    assert torch.isfinite(our_logits(loaded, ears, tokens)).all()


@pytest.mark.parametrize(
    ("sound", "told"),
    [(np.zeros(0, np.float32), "got no samples"), (np.full(1_600, np.nan, np.float32), "not finite numbers")],
)
def test_sound_that_is_none_is_an_error(text: HearingText, sound: Samples, told: str):
    with pytest.raises(EngineFailed, match=told):
        text.encode(asked(said("Hm?", sound)))


def test_labels_follow_the_same_sound(text: HearingText):
    prompt = asked(said("Hm?", noise(16_000)), start="Emotion:")
    tokens = text.encode(prompt)
    angry, happy = text.encode_with(prompt, [" angry", " happy"])

    assert angry[: len(tokens) - 1] == happy[: len(tokens) - 1] == tokens[:-1]
    assert text.decode(angry).endswith("Emotion: angry")


def test_only_the_last_sounds_are_kept(ears: Ears):
    held = [ears.listen(noise(4_000, seed=seed))[0] for seed in range(12)]
    n_all = len(ears._by_first)
    del held
    gc.collect()

    assert n_all == 12  # those in use stay, however many
    assert len(ears._by_first) == 8


def test_the_same_sound_again_goes_through_the_tower_once(loaded: Loaded, text: HearingText, ears: Ears):
    n_passes = 0

    def count(*_: object) -> None:
        nonlocal n_passes
        n_passes += 1

    hook = loaded[0].model.audio_tower.register_forward_hook(count)
    tokens = text.encode(asked(said("Hm?", noise(16_000))))
    our_logits(loaded, ears, tokens, block=5)
    our_logits(loaded, ears, tokens)
    hook.remove()

    assert n_passes == 1


class Bare:
    """A processor or model that is as it is but for some changes."""

    def __init__(self, whole: Any, **changes: object) -> None:
        self._whole, self._changes = whole, changes

    def __getattr__(self, name: str) -> Any:
        return self._changes[name] if name in self._changes else getattr(self._whole, name)

    def __call__(self, **values: object) -> object:
        return self.forward(**values)


def test_a_model_without_a_token_for_sound_is_told(loaded: Loaded):
    with pytest.raises(ModelUnusable, match="no token for sound"):
        Ears(loaded[0], Bare(loaded[1], audio_token=""))


def test_a_processor_of_another_rate_is_told(loaded: Loaded):
    slow = Bare(loaded[1].feature_extractor, sampling_rate=8_000)
    with pytest.raises(ModelUnusable, match="hears at 8000 Hz, expected 16000"):
        Ears(loaded[0], Bare(loaded[1], feature_extractor=slow))


def test_a_processor_that_takes_no_sound_is_told(loaded: Loaded):
    with pytest.raises(ModelUnusable, match="takes no sound"):
        Ears(loaded[0], loaded[1].tokenizer)


def test_a_model_that_reads_sound_in_a_way_of_its_own_is_told(loaded: Loaded):
    never_run = Bare(loaded[0], get_decoder=torch.nn.Identity)
    with pytest.raises(ModelUnusable, match="reads sound in a way that Attune does not know"):
        Ears(never_run, loaded[1]).check()


def test_a_model_that_fails_on_sound_is_told_in_one_line(loaded: Loaded):
    def fail(*_: object, **__: object) -> None:
        raise ValueError("the mel input\nis wrong")

    broken = Bare(loaded[0], forward=fail)
    with pytest.raises(
        ModelUnusable, match="cannot be given sound as Attune does it: ValueError: the mel input is wrong"
    ):
        Ears(broken, loaded[1]).check()


def test_checking_leaves_nothing_behind(ears: Ears):
    ears.check()
    gc.collect()
    assert not ears._by_first


def test_a_template_that_leaves_sound_out_is_told(loaded: Loaded, ears: Ears):
    source = "{% for m in messages %}{{ m.content if m.content is string else m.content[-1].text }}{% endfor %}"
    text = HearingText(Bare(loaded[1], chat_template=source), ears)
    with pytest.raises(ModelUnusable, match="leaves sound out"):
        text.encode(asked(said("Hm?", noise(4_000))))


def test_a_model_without_a_template_is_told(loaded: Loaded, ears: Ears):
    tokenizer = Bare(loaded[1].tokenizer, chat_template=None)
    with pytest.raises(ModelUnusable, match="no chat template"):
        HearingText(Bare(loaded[1], chat_template=None, tokenizer=tokenizer), ears)
