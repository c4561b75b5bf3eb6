"""edit-the-source."""

from dataclasses import dataclass

from reluctant.records import EditSource, Finding, Prescription, Trace
from reluctant.records.quantities import (
    EVALUATED_TRAINING,
    EVALUATION_TRAINING,
    INPUT_TAIL,
    SAME_TARGETS,
)
from reluctant.remedies._base import Remedy, measured

# what stands there, what should, and where, by the code of the finding
_EDITS: dict[str, EditSource] = {
    "DAT102": EditSource(
        "x = (x - x.mean(0)) / x.std(0)",
        "x = x.sign() * x.abs().log1p()\nx = (x - x.mean(0)) / x.std(0)",
        "where inputs are prepared: a logarithm, a root or ranks, then one scale",
    ),
    "DAT201": EditSource(
        "x, y = next(iter(loader))", "for x, y in loader:", "the training loop"
    ),
    "DAT202": EditSource(
        "DataLoader(data, batch_size)",
        "DataLoader(data, batch_size, shuffle=True)",
        "where the training data are loaded",
    ),
    "DAT301": EditSource(
        "CrossEntropyLoss()",
        "CrossEntropyLoss(weight=1 / share_of_each_class)",
        "the loss, or draw the rare samples more often",
    ),
    "DAT302": EditSource(
        "x = x[order]",
        "x, y = x[order], y[order]",
        "where the data are shuffled, split or joined: one order for both; look at a "
        "few pairs",
    ),
    "DAT401": EditSource(
        "x = (x // 255).float()",
        "x = x.float() / 255",
        "where inputs are prepared: divide after the cast, subtract each mean, leave "
        "out what never changes",
    ),
    "DAT402": EditSource(
        "x.reshape(n, channels, height, width)",
        "x.permute(0, 3, 1, 2)",
        "the preparation of images: permute moves the axes, reshape only renames them",
    ),
    "FIT401": EditSource(
        "torch.save(model.state_dict(), path)",
        "if held_out_loss < best: torch.save(model.state_dict(), path)",
        "the training loop: keep the best, stop early, or regularize",
    ),
    "GRD301": EditSource(
        "x = layer(x).detach()",
        "x = layer(x)",
        "the forward pass: what cuts the graph, or a layer that is not called",
    ),
    "GRD401": EditSource(
        "clip_grad_norm_(model.parameters(), ...)",
        "clip_grad_norm_(model.parameters(), 10 * usual_norm)",
        "the training loop: a limit that only rare gradients pass",
    ),
    "LOP102": EditSource(
        "for x, y in loader:\n    loss.backward()\noptimizer.step()",
        "for x, y in loader:\n    loss.backward()\n    optimizer.step()",
        "the training loop: step inside it, or divide each loss by their number",
    ),
    "LOP301": EditSource(
        "model.eval()  # evaluate",
        "model.eval()  # evaluate\nmodel.train()  # before training goes on",
        "the evaluation, at its end",
    ),
    "LOP302": EditSource(
        "loss.backward()\noptimizer.zero_grad()\noptimizer.step()",
        "optimizer.zero_grad()\nloss.backward()\noptimizer.step()",
        "the training loop, at every step",
    ),
    "LOP303": EditSource(
        "loss.backward()",
        "loss.backward()\noptimizer.step()",
        "the training loop, at every step",
    ),
    "LOP402": EditSource(
        "encoder(x)",
        "mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])\n"
        "encoder(x, mask=mask, is_causal=True)",
        "the forward pass: a causal mask; one direction, not bidirectional=True; "
        "padding in front alone, F.pad(x, (kernel_size - 1, 0))",
    ),
    "LOP403": EditSource(
        "key_padding_mask=(x != padding)",
        "key_padding_mask=(x == padding)",
        "the forward pass: the mask is True where a place is to be left out",
    ),
    "LOP404": EditSource(
        "h = self.encoder(self.embed(tokens))",
        "h = self.encoder(self.embed(tokens) + self.places(torch.arange(times)))",
        "the forward pass: where in the text each token stands",
    ),
    "LOP502": EditSource(
        "Conv2d(n, m, 3), BatchNorm2d(m)",
        "Conv2d(n, m, 3, bias=False), BatchNorm2d(m)",
        "the model, if a few parameters matter",
    ),
    "NUM102": EditSource(
        "data = load()",
        "data = load()\ndata = data[data.isfinite().all(1)]",
        "where the data are read",
    ),
    "NUM103": EditSource(
        "x.sqrt()",
        "(x + 1e-12).sqrt()",
        "the operation that is named: keep what it takes in away from its pole",
    ),
    "NUM301": EditSource(
        "model = model.bfloat16()",
        "with torch.autocast(device, torch.bfloat16): ...",
        "the model: weights in float32, only the arithmetic in half; with float16 a "
        "GradScaler besides",
    ),
    "NUM302": EditSource(
        "loss_fn(model(x), y)",
        "loss_fn(model(x).float(), y)",
        "the loss: what overflows in float16 belongs outside of autocast",
    ),
    "STP302": EditSource(
        "for x, y in loader:\n    ...\n    scheduler.step()",
        "for x, y in loader:\n    ...\nscheduler.step()",
        "the training loop: once an epoch, or give the schedule its number of steps",
    ),
    "STP303": EditSource(
        '{"params": body.parameters(), "lr": 0.0}',
        '{"params": body.parameters(), "lr": lr}',
        "the optimizer's groups",
    ),
    "STP304": EditSource(
        "warm_up_steps = ...",
        "warm_up_steps = total_steps // 20",
        "the schedule: total_steps is epochs * len(loader)",
    ),
    "STP501": EditSource(
        "loss.backward()",
        "loss.backward()\nclip_grad_norm_(model.parameters(), 10 * usual_norm)",
        "the training loop; and look at the batch of that step",
    ),
    "UNT501": EditSource(
        "x = x + block(x)",
        "x = x + block(norm(x))",
        "the forward pass: a norm before each block, or block weights that begin small",
    ),
}


_EVALUATE = EditSource(
    "with torch.no_grad():",
    "model.eval()\nwith torch.no_grad():\n    ...\nmodel.train()",
    "the evaluation",
)
# where a rule knows several faults, by what it measured besides
_BY_EVIDENCE: dict[tuple[str, str], EditSource] = {
    ("LOP301", EVALUATED_TRAINING.name): _EVALUATE,
    ("LOP301", EVALUATION_TRAINING.name): _EVALUATE,
    ("LOP402", SAME_TARGETS.name): EditSource(
        "loss_fn(model(x), x)",
        "loss_fn(model(x[:, :-1]), x[:, 1:])",
        "the loss: the target at each place is the next token",
    ),
}


@dataclass(frozen=True)
class EditTheSource(Remedy):
    """Change the line that is at fault.

    ## When it helps
    The fault is in the program and not in a number: no step size and no other start
    mends it.

    ## When it hurts
    Where the line does what its author means: the finding then rests on a habit that
    this program does not share.

    ## What it changes
    Nothing by itself: the lines are a pattern, and only the author knows where they
    stand.

    ## References
    - [PyTorchOptim] torch.optim: the order of a training step.
    """

    treats = tuple(sorted(_EDITS))

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Say what usually stands there, and what should."""
        by = measured(finding)
        if finding.code == "DAT102" and by != INPUT_TAIL.name:
            return None  # a scale by feature is enough
        edit = _BY_EVIDENCE.get((finding.code, by), _EDITS[finding.code])
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(edit,),
            trust="advice",
            because=f"in {edit.where}",
            patch=edit.after,
        )
