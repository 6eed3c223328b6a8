//! `cargo xtask test` and `cargo xtask campaign`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reseat_vm::artifacts::{self, Bed, DIRECTORY_VARIABLE, Kernel, Part};

use crate::build::{self, Programs};
use crate::dist;
use crate::plan::{CORE_FEATURES, Extent, Plan, SHIPPED};
use crate::run::{cargo, must};

/// Names the folder of the project's own collection of real configuration spaces, one or more functions a file, as
/// `lspci -xxxx` prints them. The tests expect certain files in it: another collection does not do.
pub(crate) const DUMPS: &str = "RESEAT_DUMPS";

/// What the quick run may fetch for the bed.
const QUICK_BYTES: u64 = 300_000_000;
/// What the quick run needs of the bed.
const QUICK_PARTS: [Part; 1] = [Part::Kernel(Kernel::Bookworm)];

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only tests with this in their name, whatever they need.
    filter: Option<String>,
    /// Everything but the campaigns: all stories, kernels, builders and processors. It installs compilers for aarch64 and for
    /// the small reseat-claim if they are missing, and fails if it cannot.
    #[arg(long)]
    all: bool,
}

impl Arguments {
    pub(crate) fn all() -> Self {
        Self {
            filter: None,
            all: true,
        }
    }

    fn extent(&self) -> Extent {
        match (&self.filter, self.all) {
            (Some(_), _) => Extent::Named,
            (None, true) => Extent::All,
            (None, false) => Extent::Quick,
        }
    }
}

/// Arguments of `cargo xtask campaign`.
#[derive(clap::Args)]
pub(crate) struct CampaignArguments {
    /// Only campaigns with this in their name.
    filter: Option<String>,
    /// What the random campaign draws its faults from; it prints it.
    #[arg(long)]
    seed: Option<u64>,
    /// How many cases the random campaign has, in place of 500.
    #[arg(long)]
    cases: Option<u64>,
    /// The number of its first case, to play one again.
    #[arg(long)]
    first: Option<u64>,
}

impl CampaignArguments {
    /// What tells the random campaign so.
    fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let numbers = [
            ("RESEAT_CAMPAIGN_SEED", self.seed),
            ("RESEAT_CAMPAIGN_CASES", self.cases),
            ("RESEAT_CAMPAIGN_FIRST", self.first),
        ];
        numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name, number?.to_string())))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let extent = arguments.extent();
    let filter = arguments.filter.as_deref();
    let run = Run::prepare(extent, filter)?;
    let all = must(run.tests(&["--no-fail-fast"]).args(filter));
    let prepared = run.prepared(filter);
    if extent != Extent::Named {
        run.tell_left_out()?;
    }
    all.and(prepared)
}

/// The campaigns alone.
pub(crate) fn campaign(arguments: &CampaignArguments) -> Result<()> {
    let run = Run::prepare(Extent::Campaign, arguments.filter.as_deref())?;
    let mut tests = run.tests(&["--test", "stories", "--"]);
    must(tests.envs(arguments.variables()).args(arguments.filter.as_deref()))
}

/// A run for which everything is there.
struct Run {
    extent: Extent,
    bed: Bed,
    dist: PathBuf,
    fake_gpu: PathBuf,
    aarch64: Option<PathBuf>,
    shipped: Option<PathBuf>,
}

impl Run {
    fn prepare(extent: Extent, filter: Option<&str>) -> Result<Self> {
        let (parts, compiled) = match extent {
            Extent::Quick => (QUICK_PARTS.to_vec(), Compiled::nothing()),
            Extent::All => (Part::ALL.to_vec(), Compiled::everything()),
            Extent::Named | Extent::Campaign => {
                let plan = Plan::of(extent, filter)?;
                (plan.parts(), Compiled::of(&plan))
            }
        };
        let (bed, dist, fake_gpu) = build::stage_parts(&parts, Programs::Plain)?;
        let bytes = bed.package_bytes(&parts)?;
        println!("the bed is made from {} MB of packages", bytes / 1_000_000);
        ensure!(
            extent != Extent::Quick || bytes <= QUICK_BYTES,
            "that is more than {} MB",
            QUICK_BYTES / 1_000_000
        );
        Ok(Self {
            extent,
            aarch64: compiled.aarch64(extent)?,
            shipped: compiled.shipped(extent)?,
            bed,
            dist,
            fake_gpu,
        })
    }

    /// Always the whole workspace: for one package, its dependencies would be built again with fewer features.
    fn tests(&self, arguments: &[&str]) -> Command {
        let mut tests = cargo(&["test", "--workspace", "--features", CORE_FEATURES]);
        tests.args(arguments);
        // Each test runs in its package's folder: only an absolute path is the same place in all of them.
        let directory = std::path::absolute(self.bed.directory()).unwrap_or_else(|_| self.bed.directory().to_owned());
        tests
            .env("RESEAT_DIST", &self.dist)
            .env("RESEAT_FAKE_GPU", &self.fake_gpu)
            .env(DIRECTORY_VARIABLE, directory)
            .env("RESEAT_REQUIRE_STAGE", "1")
            .envs(self.extent.variable())
            .envs(self.aarch64.iter().map(|tree| ("RESEAT_DIST_AARCH64", tree)))
            .envs(self.shipped.iter().map(|tree| ("RESEAT_DIST_SHIPPED", tree)));
        tests
    }

    /// Runs the tests that are ignored where nothing has been prepared for them.
    fn prepared(&self, filter: Option<&str>) -> Result<()> {
        let mut targets: Vec<&str> = Vec::new();
        if self.extent != Extent::Quick {
            targets.extend(["--test", "boot"]);
        }
        let dumps = env::var_os(DUMPS).map(std::path::absolute).transpose();
        let dumps = dumps.with_context(|| format!("{DUMPS} is no path"))?;
        if dumps.is_some() {
            targets.extend(["--test", "config_space"]);
            if self.has_lspci()? {
                targets.extend(["--test", "decode_against_lspci"]);
            }
        }
        if targets.is_empty() {
            return Ok(());
        }
        println!("\ntests that are ignored where nothing has been prepared for them:");
        let mut prepared = self.tests(&targets);
        prepared.envs(dumps.iter().map(|dumps| (DUMPS, dumps)));
        must(prepared.args(["--", "--ignored"]).args(filter))
    }

    /// Whether there is a `lspci`; the quick run installs nothing.
    fn has_lspci(&self) -> Result<bool> {
        if Command::new("lspci").arg("--version").output().is_ok() {
            return Ok(true);
        }
        if self.extent == Extent::Quick {
            return Ok(false);
        }
        artifacts::install(&["pciutils"], "to compare what we decode with what lspci does")?;
        Ok(true)
    }

    /// Says what was not run.
    fn tell_left_out(&self) -> Result<()> {
        println!("\nleft out:");
        for line in Plan::of(self.extent, None)?.left_out() {
            println!("  {line}");
        }
        if env::var_os(DUMPS).is_none() {
            println!("  the tests on the project's collection of real configuration spaces: {DUMPS} is not set");
        }
        if self.extent == Extent::Quick {
            if env::var_os(DUMPS).is_some() && !self.has_lspci()? {
                println!("  what we decode beside what lspci does: it is not installed");
            }
            println!("  the tests of the bed itself");
            println!("`cargo xtask test --all` runs all but the campaigns, `cargo xtask campaign` those");
        }
        println!(
            "`cargo xtask ci` also checks format, lints, documentation, dependencies, sizes, panics and fuzz targets"
        );
        Ok(())
    }
}

/// The trees that need a compiler which not every machine has.
struct Compiled {
    aarch64: bool,
    shipped: bool,
}

impl Compiled {
    fn nothing() -> Self {
        Self {
            aarch64: false,
            shipped: false,
        }
    }

    fn everything() -> Self {
        Self {
            aarch64: true,
            shipped: true,
        }
    }

    fn of(plan: &Plan) -> Self {
        Self {
            aarch64: plan.needs(Part::Kernel(Kernel::TrixieArm64).name()),
            shipped: plan.needs(SHIPPED),
        }
    }

    fn aarch64(&self, extent: Extent) -> Result<Option<PathBuf>> {
        let tree = || dist::aarch64_compiler().and_then(|compiler| dist::aarch64_by(&compiler));
        provided(self.aarch64, extent, "programs for aarch64", tree)
    }

    fn shipped(&self, extent: Extent) -> Result<Option<PathBuf>> {
        let tree = || {
            let dist = dist::dist()?;
            dist.small.map(|_| dist.tree)
        };
        provided(self.shipped, extent, "small reseat-claim", tree)
    }
}

/// A tree, if it is wanted; without one only a run of everything fails.
fn provided(
    wanted: bool,
    extent: Extent,
    what: &str,
    tree: impl FnOnce() -> Result<PathBuf>,
) -> Result<Option<PathBuf>> {
    if !wanted {
        return Ok(None);
    }
    match tree() {
        Ok(tree) => Ok(Some(tree)),
        Err(none) if extent != Extent::All => {
            println!("no {what}, so the stories with it are ignored: {none:#}");
            Ok(None)
        }
        Err(none) => Err(none),
    }
}
