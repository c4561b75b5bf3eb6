import atexit
import inspect
import os
import pickle
import sys

import fingerprint as neighbor
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 3)

    def forward(self, x):
        return self.a(x)


print(__name__, __file__, __doc__, __package__, __spec__, sys.argv)
print(
    sys.modules["__main__"].Net is Net,
    os.path.dirname(os.path.abspath(__file__)) == sys.path[0],
)
print(len(open(__file__).read()), inspect.getsource(Net).count("Linear"))
print(sorted(name for name in globals() if name.startswith("__")))
print("reluctant" in os.environ.get("PYTHONSTARTUP", ""), sys.flags.optimize)

torch.manual_seed(0)
x, y = neighbor.data()
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(40):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()
print(neighbor.fingerprint(pickle.loads(pickle.dumps(net)), optimizer))
atexit.register(lambda: print("goodbye", type(net).__name__))
