//! The boot claim: runs once in the initramfs, before another driver loads.

#[allow(dead_code, reason = "only a part of it is for the claim")]
#[path = "reseat/exit.rs"]
mod exit;
#[path = "messages/mod.rs"]
mod messages;

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;
use lexopt::prelude::{Long, Short};
use reseat::linux::{self, BootOptions, Root};

use crate::exit::Exit;

/// Asks the kernel for memory a few times in all; musl's own does so for every few pages, which is a tenth of the claim's time.
#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

const HELP: &str = "\
Puts every function of the chosen GPUs on vfio-pci, in D0 and pinned. Made for the initramfs: runs once, within 15 s
whatever hangs, and never stops a boot. A GPU that is out of service (/var/lib/reseat/quarantine.json, or its copy in the
initramfs, /etc/reseat/quarantine.json) is isolated instead: no driver has it or can get it.

Usage: reseat-claim [OPTIONS]

Options:
      --rules FILE    the rules [default: /etc/reseat/reseat.toml, if it is there]
      --report FILE   where the report goes [default: /run/reseat/claim.json]
      --dry-run       print what would be claimed; touch nothing, write no report unless --report names one
      --root DIR      the directory that stands for / [default: /]
  -h, --help          print this
  -V, --version       print the version

Kernel command line:
  reseat.claim=SELECTOR[,SELECTOR...]   claim these too
  reseat.not=SELECTOR[,SELECTOR...]     never claim these, whichever rule chooses them
  reseat.force-display                  claim even the only display
  reseat.dry-run                        only say what would be claimed
  reseat=off, rd.reseat=0               do nothing

Selectors (several that have to be true at once: joined by @, as in slot=3@10de:2231):
  0000:65:00, 0000:65:00.0           the GPU at this address, or with a function there
  path=pci0000:00/03.0/00.0          the GPU with a function on this way, whatever the buses are numbered
  slot=3                             the GPUs in this physical slot
  serial=48-b0-2d-00-00-00-00-01     the GPU that gives this serial number
  10de:2231                          every GPU with such a function
  subsystem=10de:1482                every GPU with a function of this subsystem
  gpu                                every GPU

Exit status: 0 everything in order, or nothing to do; 1 a claim failed and was undone; 2 usage error; 3 a rule or a file is
not in order; 4 a GPU is refused; 5 a GPU is out of service; 6 a GPU is not made safe; 7 no VM can open a GPU.
";

enum Request {
    Claim(BootOptions),
    Print(String),
}

fn main() -> ExitCode {
    // A claim starts its own program for what may block.
    if let Some(status) = linux::serve(linux::CLAIM_JOBS, env::args_os().skip(1)) {
        return status;
    }
    match arguments() {
        Ok(Request::Claim(options)) => claim(&options),
        Ok(Request::Print(text)) => {
            say(&mut io::stdout(), &text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(
                &mut io::stderr(),
                &format!("reseat-claim: {error} (--help tells more)\n"),
            );
            Exit::Usage.into()
        }
    }
}

fn claim(options: &BootOptions) -> ExitCode {
    let report = linux::boot_claim(options, messages::report::log_lines);
    for (_, line) in messages::report::lines(&report) {
        say(&mut io::stdout(), &format!("{line}\n"));
    }
    Exit::of_claim(&report).into()
}

/// Says it to whoever listens; in an initramfs that may be nobody.
fn say(to: &mut impl Write, text: &str) {
    to.write_all(text.as_bytes()).and_then(|()| to.flush()).ok();
}

fn arguments() -> Result<Request, lexopt::Error> {
    let mut options = BootOptions {
        root: Root::system(),
        rules: None,
        report: None,
        dry_run: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rules") => options.rules = Some(path(&mut parser)?),
            Long("report") => options.report = Some(path(&mut parser)?),
            Long("dry-run") => options.dry_run = true,
            Long("root") => options.root = Root::at(directory(&mut parser)?),
            Short('h') | Long("help") => return Ok(Request::Print(HELP.to_owned())),
            Short('V') | Long("version") => {
                return Ok(Request::Print(
                    concat!("reseat-claim ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
                ));
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Claim(options))
}

/// A directory that is there: nothing is to be made below a misspelt one.
fn directory(parser: &mut lexopt::Parser) -> Result<PathBuf, lexopt::Error> {
    let path = path(parser)?;
    match path.is_dir() {
        true => Ok(path),
        false => Err(format!("{} is no directory", path.display()).into()),
    }
}

/// A path as the user means it: from where he stands.
fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, lexopt::Error> {
    let path = PathBuf::from(parser.value()?);
    std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}
