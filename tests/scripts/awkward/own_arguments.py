import argparse

import torch
from fingerprint import data, fingerprint
from torch import nn

parser = argparse.ArgumentParser(description="train something")
parser.add_argument("what")
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--name", default="none")
parser.add_argument("--strict", action="store_true")
parser.add_argument("-m", "--momentum", type=float, default=0.0)
args = parser.parse_args()
print(args, parser.prog)

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
for step in range(60):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
print(fingerprint(model, optimizer))
