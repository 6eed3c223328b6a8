//! What judging a machine's topology costs as the machine grows. There is no peer.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use reseat_core::topology::function::Function;
use reseat_core::topology::method::Method;
use reseat_core::topology::{Node, Topology};

use crate::large;

const ROUNDS: usize = 10;

/// Prints it for 100, 1,000 and 10,000 functions.
pub(crate) fn bench() -> Result<()> {
    println!(
        "topology: built, and every method judged for every function with who is hit; the least of {ROUNDS} rounds"
    );
    for count in [100, 1_000, 10_000] {
        let functions = large::functions(count);
        let mut room = vec![Node::EMPTY; functions.len()];
        let mut build = Duration::MAX;
        let mut judge = Duration::MAX;
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let topology = Topology::new(black_box(&functions), &mut room).map_err(|error| anyhow!("{error}"))?;
            build = build.min(begin.elapsed());
            let begin = Instant::now();
            judge_all(topology);
            judge = judge.min(begin.elapsed());
        }
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "  {:6} functions: built in {:7.3} ms, judged in {:7.3} ms",
            functions.len(),
            milliseconds(build),
            milliseconds(judge)
        );
    }
    Ok(())
}

fn judge_all(topology: Topology<'_>) {
    let ours = |function: &Function| function.address.bus() == 1;
    for place in topology.places() {
        for method in Method::ALL {
            black_box(place.reset(method).map(|domain| domain.exclusive(ours)).ok());
        }
    }
}
