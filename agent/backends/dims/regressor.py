"""audEERING's regressor of arousal, dominance and valence, as published (Wagner et al. 2023, IEEE TPAMI 45(9)).

The names of the parts are those of the published weights. Needs torch: imported by `wav2vec2` once it is sure of it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportPrivateUsage=false
# (transformers leaves its model classes partly untyped.)

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Model, Wav2Vec2PreTrainedModel

if TYPE_CHECKING:
    from transformers import Wav2Vec2Config


class RegressionHead(torch.nn.Module):
    """Dense, tanh, projection; dropout before each of the two layers."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = torch.nn.Dropout(config.final_dropout)
        self.out_proj = torch.nn.Linear(config.hidden_size, len(config.id2label or ()))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return shape (n, labels) for the pooled states, shape (n, hidden)."""
        hidden = torch.tanh(self.dense(self.dropout(features)))
        return self.out_proj(self.dropout(hidden))


class EmotionModel(Wav2Vec2PreTrainedModel):
    """wav2vec2, the mean over time, the head."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = RegressionHead(config)
        self.post_init()

    def forward(self, input_values: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the raw values, shape (n, labels), of sounds, shape (n, samples).

        `attention_mask`, of the same shape, is 0 where a sound is padded; those frames do not enter the mean.
        """
        hidden = self.wav2vec2(input_values, attention_mask=attention_mask).last_hidden_state
        if attention_mask is None:
            return self.classifier(hidden.mean(dim=1))
        samples = cast("torch.LongTensor", attention_mask)
        is_sound = self._get_feature_vector_attention_mask(hidden.shape[1], samples, add_adapter=False)
        share = is_sound.unsqueeze(-1).to(hidden.dtype)
        return self.classifier((hidden * share).sum(dim=1) / share.sum(dim=1))
