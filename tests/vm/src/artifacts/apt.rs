//! A private apt root: the machine's apt programs and mirror, none of its state.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::packages::{Architecture, Fetched, PackageSet, Release, discard_changed};
use super::sources::Mirror;
use crate::files::{FileError, create_directory};
use crate::process::{self, CommandError};
use crate::progress::{Progress, Step};

/// A mirror in the middle of a synchronisation fails; it is back within a minute or so.
const PAUSES: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(30)];

const POLL: Duration = Duration::from_millis(100);

/// apt did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// A file of the private root.
    #[error(transparent)]
    File(#[from] FileError),
    /// apt ended with an error, also when tried again.
    #[error("the packages for the test bed cannot be had")]
    Command(#[from] CommandError),
    /// apt succeeded and offered nothing that was asked for.
    #[error("apt offers no package for {0}")]
    NothingOffered(&'static str),
    /// A line that names a package and cannot be read: to pass it over would leave a hole in the set.
    #[error("apt's offer cannot be read: {0}")]
    Offer(String),
    /// A file is not the one that the signed index names. It has been removed, so the next attempt fetches it again.
    #[error("{} did not arrive as the index says", .0.display())]
    Changed(PathBuf),
}

/// A package that a set needs, as `--print-uris` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    package: String,
    version: String,
    size: u64,
    fetched: Fetched,
}

/// apt's directories for one release and architecture.
pub(crate) struct AptRoot {
    directory: PathBuf,
}

impl AptRoot {
    /// Makes the directories and the configuration; nothing is fetched yet.
    pub(crate) fn create(
        directory: &Path,
        release: Release,
        architecture: Architecture,
        mirror: &Mirror,
    ) -> Result<Self, AptError> {
        for below in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/apt.conf.d",
            "etc/preferences.d",
        ] {
            create_directory(&directory.join(below))?;
        }
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).map_err(FileError::of("write", &path))
        };
        write("status", String::new())?;
        write("etc/sources.list", sources_list(release, architecture, mirror))?;
        write("apt.conf", configuration(directory, architecture, &proxies()))?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Fetches the release's index.
    pub(crate) fn update(&self) -> Result<(), AptError> {
        let mut update = self.apt_get();
        update.args(["update", "--option", "APT::Update::Error-Mode=any"]);
        patiently(|| process::run(&mut update).map(drop))?;
        Ok(())
    }

    /// Fetches a set's packages into `debs`, and holds them against the signed index.
    pub(crate) fn download(
        &self,
        set: &PackageSet,
        debs: &Path,
        progress: &Progress,
    ) -> Result<Vec<Fetched>, AptError> {
        let offers = self.offers(set)?;
        let total = offers.iter().map(|offer| offer.size).sum();
        let step = progress.start(format!("fetching {}", set.name));
        let files: Vec<Fetched> = offers.iter().map(|offer| offer.fetched.clone()).collect();
        // apt takes a file that is there already by its length alone.
        discard_changed(&files, debs)?;
        patiently(|| self.download_once(&offers, debs, &step, total))?;
        if let Some(changed) = discard_changed(&files, debs)? {
            return Err(AptError::Changed(changed));
        }
        let (count, megabytes) = (offers.len(), total / 1_000_000);
        step.done(&format!("{count} packages, {megabytes} MB"));
        Ok(files)
    }

    fn offers(&self, set: &PackageSet) -> Result<Vec<Offer>, AptError> {
        let mut plan = self.apt_get();
        plan.args(["install", "--print-uris", "--yes", "--target-release", set.suite]);
        plan.args(set.packages);
        let output = process::run(&mut plan)?;
        let mut offers = parse_offers(&String::from_utf8_lossy(&output.stdout))?;
        offers.retain(|offer| set.scope.takes(set.packages, &offer.package));
        if offers.is_empty() {
            return Err(AptError::NothingOffered(set.name));
        }
        Ok(offers)
    }

    fn download_once(&self, offers: &[Offer], debs: &Path, step: &Step<'_>, total: u64) -> Result<(), CommandError> {
        let mut download = self.apt_get();
        download.arg("download").current_dir(debs);
        for offer in offers {
            download.arg(format!("{}={}", offer.package, offer.version));
        }
        let log = self.directory.join("download.log");
        let started = File::create(&log).and_then(|file| {
            let command = download.stdin(Stdio::null()).stdout(file.try_clone()?);
            command.stderr(file).spawn()
        });
        let mut child = started.map_err(|cause| process::could_not_start(&download, cause))?;
        let status = loop {
            let ended = child.try_wait();
            if let Some(status) = ended.map_err(|cause| process::could_not_start(&download, cause))? {
                break status;
            }
            let done = offers.iter().map(|offer| size_of(&debs.join(&offer.fetched.file)));
            step.bytes(done.sum(), total);
            thread::sleep(POLL);
        };
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        Err(process::failed(&download, status, &said))
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command
            .arg("--quiet")
            .env("APT_CONFIG", self.directory.join("apt.conf"));
        command.env("LC_ALL", "C");
        command
    }
}

/// Runs a command again after a pause, as long as there are pauses left.
fn patiently(mut work: impl FnMut() -> Result<(), CommandError>) -> Result<(), CommandError> {
    for pause in PAUSES {
        match work() {
            Err(CommandError::Failed { said, .. }) if !is_offline(&said) => thread::sleep(pause),
            other => return other,
        }
    }
    work()
}

/// Without a name server there is no network, and no use in trying again.
fn is_offline(said: &str) -> bool {
    said.contains("Temporary failure resolving") || said.contains("Could not resolve")
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn sources_list(release: Release, architecture: Architecture, mirror: &Mirror) -> String {
    let (architecture, keyring) = (architecture.debian(), mirror.keyring.display());
    let options = format!("[arch={architecture} signed-by={keyring}]");
    let line = |suite: &&str| format!("deb {options} {} {suite} main\n", mirror.uri);
    release.suites().iter().map(line).collect()
}

fn configuration(directory: &Path, architecture: Architecture, proxies: &str) -> String {
    let architecture = architecture.debian();
    let at = |name: &str| directory.join(name).display().to_string();
    let (state, status) = (at("state"), at("status"));
    let (cache, etc) = (at("cache"), at("etc"));
    format!(
        "Dir::State \"{state}\";\n\
         Dir::State::status \"{status}\";\n\
         Dir::Cache \"{cache}\";\n\
         Dir::Etc \"{etc}\";\n\
         Dir::Etc::netrc \"/etc/apt/auth.conf\";\n\
         Dir::Etc::netrcparts \"/etc/apt/auth.conf.d\";\n\
         Dir::Log \"{cache}\";\n\
         APT::Architecture \"{architecture}\";\n\
         APT::Architectures {{ \"{architecture}\"; }};\n\
         APT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Retries \"3\";\n\
         Acquire::ForceHash \"sha256\";\n\
         Debug::NoLocking \"true\";\n\
         {proxies}"
    )
}

/// The machine's own proxy settings, which a private root would lose.
fn proxies() -> String {
    let dump = process::run(Command::new("apt-config").arg("dump").env("LC_ALL", "C"));
    let text = dump.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("Acquire::") && line.contains("Proxy"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The offers among the other lines that apt prints.
fn parse_offers(text: &str) -> Result<Vec<Offer>, AptError> {
    let lines = text.lines().filter(|line| line.starts_with('\''));
    lines
        .map(|line| parse_offer(line).ok_or_else(|| AptError::Offer(line.to_owned())))
        .collect()
}

/// `'uri' name_version_architecture.deb size SHA256:hash`
fn parse_offer(line: &str) -> Option<Offer> {
    let (_, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split_whitespace();
    let (file, size, hash) = (words.next()?, words.next()?, words.next()?);
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (package, version) = (parts.next()?, parts.next()?);
    Some(Offer {
        package: package.to_owned(),
        version: version.replace("%3a", ":"),
        size: size.parse().ok()?,
        fetched: Fetched {
            sha256: hash.strip_prefix("SHA256:")?.to_owned(),
            file: file.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_with_its_epoch() {
        let line = "'http://mirror.test/pool/a/attr/libattr1_2.5.1-4_amd64.deb' \
                    libattr1_1%3a2.5.1-4_amd64.deb 22164 SHA256:00ff";
        let offers = parse_offers(&format!("Reading package lists...\n{line}\n")).unwrap();
        let [offer] = &offers[..] else { panic!("{offers:?}") };
        assert_eq!(offer.package, "libattr1");
        assert_eq!(offer.version, "1:2.5.1-4");
        assert_eq!(offer.fetched.file, "libattr1_1%3a2.5.1-4_amd64.deb");
        assert_eq!(offer.fetched.sha256, "00ff");
        assert_eq!(offer.size, 22164);
    }

    #[test]
    fn an_offer_without_a_hash_is_an_error_not_a_hole() {
        let line = "'http://mirror.test/a_1_all.deb' a_1_all.deb 3 MD5Sum:00";
        assert!(matches!(parse_offers(line), Err(AptError::Offer(said)) if said == line));
    }

    #[test]
    fn a_root_names_each_suite_with_the_mirrors_keys() {
        let mirror = Mirror {
            uri: "http://mirror.test/debian".to_owned(),
            keyring: "/keys/debian.gpg".into(),
        };
        assert_eq!(
            sources_list(Release::Trixie, Architecture::X86_64, &mirror),
            "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian trixie main\n\
             deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian \
             trixie-backports main\n"
        );
    }
}
