"""Next-character prediction with tied embeddings and a causal mask."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 200


class LM(nn.Module):
    def __init__(self, d=32, symbols=27):
        super().__init__()
        self.emb, self.pos = nn.Embedding(symbols, d), nn.Embedding(24, d)
        nn.init.normal_(self.emb.weight, std=0.1)
        layer = nn.TransformerEncoderLayer(
            d, 4, 64, 0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(d), enable_nested_tensor=False)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.emb(x) + self.pos(torch.arange(x.shape[1]))
        return (self.body(h, mask=mask, is_causal=True) @ self.emb.weight.T).transpose(1, 2)


TEXT = "the sick net will not learn and nobody knows why until somebody looks inside it " * 12


def make(seed):
    ids = torch.tensor([0 if c == " " else ord(c) - 96 for c in TEXT])
    windows = ids.unfold(0, 25, 1)
    net = LM()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    loader = Batches(windows[:, :-1], windows[:, 1:], 16)
    return Training(net, nn.CrossEntropyLoss(), optimizer, loader)
