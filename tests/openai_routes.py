"""How a server answers that behaves: vLLM, llama.cpp server, Ollama or a plain one; used by `openai_server`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import openai_answers as answers
from .openai_faults import chat_chunk

if TYPE_CHECKING:
    from .openai_faults import Talk


async def well(talk: Talk, *, n_calls: int = 0) -> None:
    """Answer as the kind of server that it is does."""
    manners, path = talk.manners, talk.seen.path
    body = talk.seen.json if talk.seen.headers.get("content-type", "") == "application/json" else {}
    refused = next((name for name in manners.refuses if name in body or name in talk.seen.form), None)
    if refused is not None:
        await talk.whole(
            {
                "error": {
                    "message": f"Unsupported parameter: '{refused}'",
                    "type": "invalid_request_error",
                    "param": refused,
                }
            },
            status=400,
        )
    elif body and "model" in body and body["model"] != manners.model:
        text = f"The model `{body['model']}` does not exist."
        await talk.whole({"error": {"message": text, "type": "NotFoundError", "code": 404}}, status=404)
    elif path == "/v1/models":
        await talk.whole(answers.models(manners))
    elif path == "/v1/chat/completions":
        await chat(talk, body, n_calls=n_calls)
    elif path == "/v1/completions":
        await complete(talk, body)
    elif path == "/v1/audio/transcriptions":
        await talk.whole(answers.transcription(manners, talk.seen.form, (len(talk.seen.file) - 44) / 32_000))
    elif path == "/v1/audio/speech":
        await speak(talk)
    else:
        await own_routes(talk, body)


async def chat(talk: Talk, body: dict[str, Any], *, n_calls: int) -> None:
    manners = talk.manners
    prompt = answers.rendered(manners, body["messages"], body)
    words, finish = answers.words_of(manners, body, n_calls)
    used = answers.usage(manners, prompt, len(words))
    if body.get("stream"):
        await talk.events()
        await talk.event(chat_chunk({"role": "assistant", "content": ""}))
        for word in manners.reasoning.split():
            await talk.event(chat_chunk({"reasoning_content": word}))
        for word in words:
            await talk.token(word)
        await talk.event(chat_chunk({}, finish=finish))
        if (body.get("stream_options") or {}).get("include_usage"):
            await talk.event({**chat_chunk({}), "choices": [], "usage": used})
        await talk.event("[DONE]")
        await talk.end()
        return
    message, logprobs = "".join(words), None
    if body.get("logprobs") and manners.gives_logprobs:
        message, logprobs = answers.top_logprobs(manners, prompt, body["top_logprobs"])
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": message, "refusal": None},
        "finish_reason": finish,
        "logprobs": logprobs,
    }
    await talk.whole(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "toy", "choices": [choice], "usage": used}
    )


async def complete(talk: Talk, body: dict[str, Any]) -> None:
    manners = talk.manners
    prompt = body["prompt"]
    if body.get("echo"):
        if manners.kind in {"llama.cpp", "ollama"} or not manners.gives_logprobs:
            error = {"error": {"code": 400, "message": "Only no echo is supported", "type": "invalid_request_error"}}
            await talk.whole(error, status=400)
            return
        several: list[str | list[int]] = [prompt] if isinstance(prompt, str) else prompt
        prompts = [one if isinstance(one, list) else answers.tokenised(one) for one in several]
        await talk.whole(answers.echoed(manners, prompts, as_ids=bool(body.get("return_tokens_as_token_ids"))))
        return
    words, finish = answers.words_of(manners, body, 0)
    chunk = {"id": "c", "object": "text_completion", "created": 1, "model": "toy"}
    if not body.get("stream"):
        choice: dict[str, Any] = {"index": 0, "text": "".join(words), "finish_reason": finish, "logprobs": None}
        if body.get("logprobs") and manners.gives_logprobs:
            first, top = answers.top_logprobs(manners, prompt, body["logprobs"])
            entries = {entry["token"]: entry["logprob"] for entry in top["content"][0]["top_logprobs"]}
            best = max(entries.values())
            choice["text"] = first
            choice["logprobs"] = {
                "tokens": [first],
                "token_logprobs": [best],
                "top_logprobs": [entries],
                "text_offset": [0],
            }
        await talk.whole({**chunk, "choices": [choice], "usage": answers.usage(manners, prompt, 1)})
        return
    await talk.events()
    for word in words:
        await talk.event({**chunk, "choices": [{"index": 0, "text": word, "finish_reason": None, "logprobs": None}]})
    await talk.event({**chunk, "choices": [{"index": 0, "text": "", "finish_reason": finish, "logprobs": None}]})
    await talk.event({**chunk, "choices": [], "usage": answers.usage(manners, prompt, len(words))})
    await talk.event("[DONE]")
    await talk.end()


async def speak(talk: Talk) -> None:
    kind, sound = answers.tone(talk.manners)
    await talk.head(kind)
    for at in range(0, len(sound), 4001):  # odd on purpose: samples are cut in two
        await talk.chunk(sound[at : at + 4001])
    await talk.end()


async def own_routes(talk: Talk, body: dict[str, Any]) -> None:
    """What vLLM and llama.cpp offer besides the protocol."""
    manners, path = talk.manners, talk.seen.path
    if path == "/tokenize" and manners.kind == "vllm":
        text = body["prompt"] if "prompt" in body else answers.rendered(manners, body["messages"], body)
        ids = answers.tokenised(text)
        await talk.whole({"tokens": ids, "count": len(ids), "max_model_len": 2048})
    elif path == "/detokenize" and manners.kind == "vllm":
        await talk.whole({"prompt": "".join(map(answers.piece_of, body["tokens"]))})
    elif path == "/tokenize" and manners.kind == "llama.cpp":
        await talk.whole({"tokens": answers.tokenised(body["content"])})
    elif path == "/apply-template" and manners.kind == "llama.cpp":
        await talk.whole({"prompt": answers.rendered(manners, body["messages"], body)})
    elif path == "/props" and manners.kind == "llama.cpp":
        await talk.whole({"default_generation_settings": {"n_ctx": 1024}, "total_slots": 2})
    else:
        await talk.whole({"detail": "Not Found"}, status=404)
