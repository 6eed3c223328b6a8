//! Serves a scripted GPU over vfio-user until it is killed.

use std::convert::Infallible;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use fake_gpu::process::READY;
use fake_gpu::profile::{BoardDesign, Class, Functions, Identity, Override, SerialNumber, VbiosVersion, Vendor};
use fake_gpu::server::Server;

/// Serves a scripted GPU over vfio-user, one socket for each function.
///
/// Makes function0.sock and so on, control.sock and access.log in the directory, and writes `ready`
/// to standard output once all sockets are bound.
#[derive(Debug, Parser)]
struct Arguments {
    /// Whose board.
    #[arg(long)]
    profile: Vendor,
    /// How many of its functions, or which: `4`, or `gpu,audio`.
    #[arg(long, default_value = "1")]
    functions: Functions,
    /// Where the sockets and the log go: an existing directory with a short path.
    #[arg(long)]
    directory: PathBuf,
    /// Gives a function another vendor and device ID: `1=8086:37c8`.
    #[arg(long)]
    identity: Vec<Override<Identity>>,
    /// Gives a function another class code: `0=030200`.
    #[arg(long)]
    class: Vec<Override<Class>>,
    /// Makes a function's return from D3hot to D0 a reset.
    #[arg(long)]
    soft_reset: Vec<u8>,
    /// Gives function 0 a serial number: `48b02d0000000001`.
    #[arg(long)]
    serial_number: Option<SerialNumber>,
    /// Gives function 0 an expansion ROM whose VBIOS says this version: `94.02.5c.00.08`.
    #[arg(long)]
    vbios: Option<VbiosVersion>,
}

fn main() -> anyhow::Result<Infallible> {
    let arguments = Arguments::parse();
    let design = BoardDesign {
        vendor: arguments.profile,
        functions: arguments.functions,
        identities: arguments.identity,
        classes: arguments.class,
        soft_resets: arguments.soft_reset,
        serial_number: arguments.serial_number,
        vbios: arguments.vbios,
    };
    let directory = &arguments.directory;
    let server =
        Server::bind(directory, &design).with_context(|| format!("cannot serve in {}", directory.display()))?;
    writeln!(std::io::stdout(), "{READY}").context("cannot say that the sockets are bound")?;
    Ok(server.run()?)
}
