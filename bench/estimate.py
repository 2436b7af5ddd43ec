"""How long a plan will take, roughly: its arithmetic at an assumed rate. A measured rate is in each run's tables."""

import os
from typing import Any

from bench.plan import Plan

# Assumed of one worker; measured on two kinds of AMD EPYC core: 40 to 62 GFLOP/s, 0.7 to 2 s to trace and compile each
# optimizer of a program. Every worker loads about every program.
CPU_FLOPS_PER_S, COMPILE_S, START_S = 40e9, 1.0, 4.0
GPU_FLOPS_PER_S = 2e12


def estimate(plan: Plan) -> dict[str, Any]:
    """`estimated_s` with every core, nothing cached, no report; and how that was reckoned."""
    cpu = plan.device == "cpu"
    workers = (os.cpu_count() or 1) if cpu else 1
    rate = CPU_FLOPS_PER_S if cpu else GPU_FLOPS_PER_S
    compiling = COMPILE_S * sum(len(program.optimizers) for program in plan.programs)
    seconds = START_S + compiling + (plan.flops + plan.evaluation_flops) / (rate * workers)
    per_program = f"{COMPILE_S:.0f} s to compile an optimizer of a program"
    return {
        "estimated_s": round(seconds),
        "assumed": f"{workers} workers at {rate / 1e9:.0f} GFLOP/s each, {per_program}",
    }
