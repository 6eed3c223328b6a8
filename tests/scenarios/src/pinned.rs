//! Functions that are where a claim has to leave them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Command, PowerState, Presence};
use fake_gpu::log::Direction;

use crate::accesses::power_states;
use crate::{Gpu, Running};

/// How sysfs shows a function that is pinned; the first depends on the driver.
const PINNED: [(&str, &str); 5] = [
    ("driver_override", "vfio-pci"),
    ("power/control", "on"),
    ("power/runtime_status", "active"),
    ("power_state", "D0"),
    ("d3cold_allowed", "0"),
];

impl Running {
    /// Checks that a function is where a claim has to leave it: as [`Running::check_pinned`] says, and by the access log
    /// nobody put it to sleep since the boot's claim.
    ///
    /// # Errors
    /// When it is not, saying in what.
    pub fn check_claimed(&self, function: &str) -> Result<()> {
        self.check_pinned(function)?;
        // A boot without the claim has no such line: it is the bare writes', for comparison.
        let device = function.split('.').next().unwrap_or(function);
        if let Ok(claimed) = self.line(&format!("reseat: {device}: ")) {
            let asleep = self
                .power_states(function)?
                .into_iter()
                .find(|(at, direction, state)| *at > claimed.at && *direction == Direction::Write && *state != 0);
            ensure!(
                asleep.is_none(),
                "{function} was put to sleep after the claim: {asleep:?}"
            );
        }
        Ok(())
    }

    /// Checks that a function is on vfio-pci, overridden, in D0 by every witness (the guest's sysfs, its PMCSR, and the
    /// fake itself), and pinned; whatever became of it before.
    ///
    /// # Errors
    /// When it is not, saying in what.
    pub fn check_pinned(&self, function: &str) -> Result<()> {
        self.check_pinned_on(function, "vfio-pci")
    }

    /// As [`Running::check_pinned`], on a variant of vfio-pci.
    ///
    /// # Errors
    /// When it is not, saying in what.
    pub fn check_pinned_on(&self, function: &str, driver: &str) -> Result<()> {
        // Each command costs an emulated machine a good part of a second.
        let found = self.shell(&format!(
            "cd /sys/bus/pci/devices/{function} && for f in {}; do read -r v <$f; echo \"$f $v\"; done; \
             d=$(readlink driver); echo driver ${{d##*/}}; \
             echo disable_idle_d3 $(cat /sys/module/vfio_pci/parameters/disable_idle_d3)",
            PINNED.map(|(file, _)| file).join(" ")
        ))?;
        let own = [
            ("driver_override", driver),
            ("driver", driver),
            ("disable_idle_d3", "Y"),
        ];
        for (file, expected) in PINNED.iter().copied().skip(1).chain(own) {
            let line = format!("{file} {expected}");
            ensure!(
                found.lines().any(|found| found.trim() == line),
                "of {function}, {file} is not `{expected}`:\n{found}"
            );
        }
        self.check_awake(function)
    }

    /// As [`Running::check_pinned`], of all functions of a GPU.
    ///
    /// # Errors
    /// When one is not.
    pub fn check_all_pinned(&self, gpu: &Gpu) -> Result<()> {
        (0..gpu.functions()).try_for_each(|function| self.check_pinned(&gpu.function(function)))
    }

    /// Checks what the guest cannot be wrong about: the function's own state, and the last that its PMCSR said.
    fn check_awake(&self, function: &str) -> Result<()> {
        let (gpu, number) = self.served(function)?;
        let reply = gpu.fake.control_function(number, &Command::State)?;
        let state = reply.functions.first().context("the fake has no such function")?;
        ensure!(
            state.power_state == PowerState::D0 && state.presence == Presence::Ready,
            "{function} is in truth {state:?}"
        );
        let seen = self.power_states(function)?;
        let (_, _, last) = seen
            .last()
            .with_context(|| format!("nobody read the power state of {function}"))?;
        ensure!(*last == 0, "the last that PMCSR of {function} said is D{last}");
        Ok(())
    }

    /// All that went over a function's PMCSR.
    fn power_states(&self, function: &str) -> Result<Vec<(Duration, Direction, u64)>> {
        let (gpu, number) = self.served(function)?;
        let control = gpu.power_control(number);
        power_states(&gpu.fake, number, control.context("the fake has no such function")?)
    }

    /// Who serves a function of the guest.
    fn served(&self, function: &str) -> Result<(&Gpu, u8)> {
        let place = function.split_once('.');
        let found = place.and_then(|(device, number)| {
            let gpu = self.gpus.iter().find(|gpu| gpu.device == device)?;
            Some((gpu, number.parse().ok()?))
        });
        found.with_context(|| format!("no GPU of the scene is at {function}"))
    }
}
