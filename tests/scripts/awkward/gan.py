import torch
from fingerprint import fingerprint
from torch import nn

torch.manual_seed(0)
real = 0.5 * torch.randn(512, 2) + 2
G = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
bce = nn.BCEWithLogitsLoss()
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
for step in range(150):
    batch = real[torch.randint(512, (32,))]
    fake = G(torch.randn(32, 4))
    opt_d.zero_grad()
    loss_d = bce(D(batch), ones) + bce(D(fake.detach()), zeros)
    mixed = (0.5 * batch + 0.5 * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)
    (loss_d + 0.1 * (slope.norm(dim=1) - 1).square().mean()).backward()
    opt_d.step()
    opt_g.zero_grad()
    loss_g = bce(D(fake), ones)
    loss_g.backward()
    opt_g.step()
print(loss_d.item(), loss_g.item(), fingerprint(G, D, opt_g, opt_d))
