//! The project's own commands: `cargo xtask --help`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands for people: what they print is what they are for"
)]

mod aarch64;
mod bench;
mod build;
mod ci;
mod cross;
mod demo;
mod dependencies;
mod dist;
mod files_machine;
mod fuzz;
mod manual;
mod panic_free;
mod plan;
mod run;
mod size;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use reseat_vm::artifacts::{Bed, Kernel, Part};
use reseat_vm::progress::Progress;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Boot two identical GPUs on a stock Debian kernel, without and with reseat, and show what becomes of them.
    Demo,
    /// Run the tests: all that need no machine, and on one real kernel a story for each area. At its end it says what it left
    /// out.
    Test(test::Arguments),
    /// Play the campaigns: faults that are drawn by a seed, every fault on every board and place, and recoveries that are killed
    /// at a hundred points. They take an hour or more.
    Campaign(test::CampaignArguments),
    /// Check everything that a change has to pass: format, lints, documentation, dependencies, tests, fuzz targets.
    Ci,
    /// Lay out in target/dist what is installed on a machine: static programs, manual pages, and what builders of an
    /// initramfs, systemd and udev take up.
    ///
    /// For a small reseat-claim it wants `rustup target add x86_64-unknown-linux-musl`; without, and as root, it installs
    /// Debian's compiler and musl on this machine; without that too, reseat-claim is larger.
    Dist(dist::Arguments),
    /// Hold the size of reseat-claim, and what of it is resident, against the limits.
    Size,
    /// Run what `dist --target aarch64` lays out under user-mode emulation, beside what is laid out for x86-64.
    Aarch64,
    /// Measure, beside a peer, in one run.
    #[command(subcommand)]
    Bench(Bench),
    /// The test bed's virtual machines.
    #[command(subcommand)]
    Vm(Vm),
    /// Link reseat-core for a microcontroller and search the image for panics.
    ///
    /// It wants `rustup target add thumbv7em-none-eabihf`; without, and as root, it installs Debian's compiler on this
    /// machine.
    PanicFree,
    /// Run the fuzz targets, each for a while.
    Fuzz(fuzz::Arguments),
}

#[derive(Subcommand)]
enum Bench {
    /// The claim of eight GPUs with two functions each, beside the bare writes and a shell script, in one boot.
    Boot,
    /// The claim of one GPU with four functions, beside the bare writes to the same functions.
    Claim,
    /// `reseat recover` beside the kernel's own reset, fault by fault, on two kernels; it takes about eight minutes.
    Recover,
    /// reseat-core: decoding and walking beside other crates, and the topology of machines of growing size.
    Core,
}

#[derive(Subcommand)]
enum Vm {
    /// Fetch and unpack QEMU, a kernel and Debian's initramfs-tools into target/bed.
    Fetch,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Demo => demo::run(),
        Command::Test(arguments) => test::run(arguments),
        Command::Campaign(arguments) => test::campaign(arguments),
        Command::Ci => ci::run(),
        Command::Dist(arguments) => {
            let tree = dist::run(arguments)?;
            println!("{}", tree.display());
            Ok(())
        }
        Command::Bench(Bench::Boot) => bench::boot(),
        Command::Size => size::run(),
        Command::Aarch64 => aarch64::run(),
        Command::Bench(Bench::Claim) => bench::claim(),
        Command::Bench(Bench::Recover) => bench::recover(),
        Command::Bench(Bench::Core) => bench::core(),
        Command::Vm(Vm::Fetch) => {
            let bed = fetch_bed()?;
            println!("{}", bed.directory().display());
            Ok(())
        }
        Command::PanicFree => panic_free::run(),
        Command::Fuzz(arguments) => fuzz::run(arguments),
    }
}

/// The kernels that recoveries are measured on: what a reset of a dead function does differs between them.
const KERNELS: [Kernel; 2] = [Kernel::Bookworm, Kernel::Trixie];

fn fetch_bed() -> Result<Bed> {
    Ok(Bed::prepare(&Part::ALL, &Progress::to_stderr())?)
}
