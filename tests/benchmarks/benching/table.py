"""Every benchmark by its name, in the order in which they are cheap."""

from __future__ import annotations

import bench_crowd
import bench_evaluate
import bench_http_load
import bench_ingest
import bench_propagation
import bench_read
import bench_restart
import bench_start
import bench_storm
import bench_unary

from benching.values import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    one.name: one
    for one in (
        bench_read.BENCHMARK,
        bench_start.BENCHMARK,
        bench_unary.BENCHMARK,
        bench_evaluate.BENCHMARK,
        bench_restart.BENCHMARK,
        bench_ingest.BENCHMARK,
        bench_propagation.BENCHMARK,
        bench_crowd.JOINS,
        bench_crowd.BURSTS,
        bench_crowd.IDLE,
        bench_storm.BENCHMARK,
        bench_http_load.BENCHMARK,
    )
}
