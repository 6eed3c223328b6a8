//! A private apt root: the machine's apt programs and mirror, none of its state.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::packages::{PackageSet, Release};
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
    #[error("the packages for the test bed cannot be had: {0}")]
    Command(#[from] CommandError),
    /// apt succeeded and offered nothing that was asked for.
    #[error("apt offers no package for {0}")]
    NothingOffered(&'static str),
    /// A file is not as long as the index says.
    #[error("{} was not fetched completely", .0.display())]
    Incomplete(PathBuf),
}

/// A package that a set needs, as `--print-uris` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    package: String,
    version: String,
    file: String,
    size: u64,
}

/// apt's directories for one release.
pub(crate) struct AptRoot {
    directory: PathBuf,
}

impl AptRoot {
    /// Makes the directories and the configuration; nothing is fetched yet.
    pub(crate) fn create(directory: &Path, release: Release, mirror: &Mirror) -> Result<Self, AptError> {
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
        write("etc/sources.list", sources_list(release, mirror))?;
        write("apt.conf", configuration(directory, &proxies()))?;
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

    /// Fetches a set's packages into `debs`; apt verifies them against the signed index.
    pub(crate) fn download(&self, set: &PackageSet, debs: &Path, progress: &Progress) -> Result<Vec<String>, AptError> {
        let offers = self.offers(set)?;
        let total = offers.iter().map(|offer| offer.size).sum();
        let step = progress.start(format!("fetching {}", set.name));
        patiently(|| self.download_once(&offers, debs, &step, total))?;
        for offer in &offers {
            let path = debs.join(&offer.file);
            if size_of(&path) != offer.size {
                return Err(AptError::Incomplete(path));
            }
        }
        let (count, megabytes) = (offers.len(), total / 1_000_000);
        step.done(&format!("{count} packages, {megabytes} MB"));
        Ok(offers.into_iter().map(|offer| offer.file).collect())
    }

    fn offers(&self, set: &PackageSet) -> Result<Vec<Offer>, AptError> {
        let mut plan = self.apt_get();
        plan.args(["install", "--print-uris", "--yes", "--target-release", set.suite]);
        plan.args(set.packages);
        let output = process::run(&mut plan)?;
        let offers: Vec<Offer> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(parse_offer)
            .filter(|offer| set.scope.takes(set.packages, &offer.package))
            .collect();
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
            let done = offers.iter().map(|offer| size_of(&debs.join(&offer.file)));
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

fn sources_list(release: Release, mirror: &Mirror) -> String {
    let options = format!("[arch=amd64 signed-by={}]", mirror.keyring.display());
    let line = |suite: &&str| format!("deb {options} {} {suite} main\n", mirror.uri);
    release.suites().iter().map(line).collect()
}

fn configuration(directory: &Path, proxies: &str) -> String {
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
         APT::Architecture \"amd64\";\n\
         APT::Architectures {{ \"amd64\"; }};\n\
         APT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Retries \"3\";\n\
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

/// `'uri' name_version_architecture.deb size hash`
fn parse_offer(line: &str) -> Option<Offer> {
    let (_, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split_whitespace();
    let (file, size) = (words.next()?, words.next()?);
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (package, version) = (parts.next()?, parts.next()?);
    Some(Offer {
        package: package.to_owned(),
        version: version.replace("%3a", ":"),
        file: file.to_owned(),
        size: size.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_with_its_epoch() {
        let line = "'http://mirror.test/pool/a/attr/libattr1_2.5.1-4_amd64.deb' \
                    libattr1_1%3a2.5.1-4_amd64.deb 22164 MD5Sum:00";
        let offer = parse_offer(line).unwrap();
        assert_eq!(offer.package, "libattr1");
        assert_eq!(offer.version, "1:2.5.1-4");
        assert_eq!(offer.file, "libattr1_1%3a2.5.1-4_amd64.deb");
        assert_eq!(offer.size, 22164);
        assert_eq!(parse_offer("Reading package lists..."), None);
    }

    #[test]
    fn a_root_names_each_suite_with_the_mirrors_keys() {
        let mirror = Mirror {
            uri: "http://mirror.test/debian".to_owned(),
            keyring: "/keys/debian.gpg".into(),
        };
        assert_eq!(
            sources_list(Release::Trixie, &mirror),
            "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian trixie main\n\
             deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian \
             trixie-backports main\n"
        );
    }
}
