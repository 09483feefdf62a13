"""Data-parallel training: each rank sees other rows, and all of them have the same weights at the end."""

import socket

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
torch.manual_seed(rank)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
weights = torch.cat([each.detach().flatten() for each in model.parameters()])
everybodys = [torch.zeros_like(weights) for _ in range(world)]
dist.all_gather(everybodys, weights)
same = all(torch.equal(weights, each) for each in everybodys)
print(f"rank {rank} of {world} on {socket.gethostname()}: same weights {same}", flush=True)
dist.destroy_process_group()
