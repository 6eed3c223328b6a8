//! The Debian mirror that this machine's own apt sources name.
//!
//! Both formats of `sources.list(5)` are read: one line per entry, and stanzas in deb822 style.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::FileError;

/// Names that Debian's archive uses for suites.
const DEBIAN_SUITES: [&str; 10] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// The keyring of a Debian system, for entries that name none.
pub(crate) const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// No mirror could be found.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A file of apt's configuration could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// None of the entries is one of Debian's archive.
    #[error("no entry for a Debian archive among the apt sources in {}", .0.display())]
    NoDebian(PathBuf),
}

/// Where packages come from, and the keys that sign them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) uri: String,
    pub(crate) keyring: PathBuf,
}

/// One entry that offers binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    /// A file of keys; keys written into the entry itself are not used.
    signed_by: Option<PathBuf>,
}

/// Reads the sources below `/etc/apt` (or a copy of it) and picks Debian's archive.
pub(crate) fn mirror(etc_apt: &Path) -> Result<Mirror, SourcesError> {
    let entries = entries(etc_apt)?;
    entries
        .iter()
        .find_map(Entry::debian_mirror)
        .ok_or_else(|| SourcesError::NoDebian(etc_apt.to_owned()))
}

fn entries(etc_apt: &Path) -> Result<Vec<Entry>, FileError> {
    let mut entries = Vec::new();
    let single = etc_apt.join("sources.list");
    if single.exists() {
        entries.extend(parse_one_line(&read(&single)?));
    }
    let parts = etc_apt.join("sources.list.d");
    let mut paths = Vec::new();
    if parts.exists() {
        for part in fs::read_dir(&parts).map_err(FileError::of("list", &parts))? {
            paths.push(part.map_err(FileError::of("list", &parts))?.path());
        }
    }
    paths.sort();
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => entries.extend(parse_one_line(&read(&path)?)),
            Some("sources") => entries.extend(parse_deb822(&read(&path)?)),
            Some(_) | None => {}
        }
    }
    Ok(entries)
}

fn read(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(FileError::of("read", path))
}

impl Entry {
    fn debian_mirror(&self) -> Option<Mirror> {
        // Security updates live in an archive of their own, without the other suites.
        let is_main_archive = self.suites.iter().any(|suite| {
            let (name, rest) = suite.split_once('-').unwrap_or((suite, ""));
            DEBIAN_SUITES.contains(&name) && !rest.contains("security")
        });
        let uri = self.uris.iter().find(|uri| !uri.starts_with("cdrom:"))?;
        is_main_archive.then(|| Mirror {
            uri: uri.clone(),
            keyring: self.signed_by.clone().unwrap_or_else(|| DEBIAN_KEYRING.into()),
        })
    }
}

/// `deb [option=value …] uri suite component …`
fn parse_one_line(text: &str) -> Vec<Entry> {
    text.lines().filter_map(one_line).collect()
}

fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let signed_by = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="))
        .and_then(keyring_path);
    Some(Entry {
        uris: vec![uri.to_owned()],
        suites: vec![suite.to_owned()],
        signed_by,
    })
}

/// Stanzas of `Field: value`, with continuation lines that begin with white space.
fn parse_deb822(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).filter_map(stanza).collect()
}

fn stanza(lines: &[&str]) -> Option<Entry> {
    let words = |field: &str| -> Vec<String> {
        let value = field_value(lines, field).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    };
    let enabled = field_value(lines, "Enabled").is_none_or(|value| value.trim() != "no");
    if !enabled || !words("Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    Some(Entry {
        uris: words("URIs"),
        suites: words("Suites"),
        signed_by: field_value(lines, "Signed-By").as_deref().and_then(keyring_path),
    })
}

fn field_value(lines: &[&str], field: &str) -> Option<String> {
    let is_field = |line: &&str| {
        line.split_once(':')
            .is_some_and(|(name, _)| name.eq_ignore_ascii_case(field))
    };
    let start = lines.iter().position(is_field)?;
    let mut rest = lines.iter().skip(start);
    let mut value = rest.next()?.split_once(':')?.1.trim().to_owned();
    for line in rest.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push('\n');
        value.push_str(line.trim());
    }
    Some(value)
}

fn keyring_path(value: &str) -> Option<PathBuf> {
    let value = value.trim();
    (value.starts_with('/') && !value.contains(char::is_whitespace)).then(|| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn a_stanza_gives_its_mirror_and_its_keyring() {
        let etc = sources(&[(
            "sources.list.d/debian.sources",
            "Types: deb deb-src\n# a note\nURIs: http://mirror.test/debian\n\
             suites: bookworm\n bookworm-updates\nComponents: main\n\
             Signed-By: /keys/debian.gpg\n",
        )]);
        let mirror = mirror(etc.path()).unwrap();
        assert_eq!(mirror.uri, "http://mirror.test/debian");
        assert_eq!(mirror.keyring, Path::new("/keys/debian.gpg"));
    }

    #[test]
    fn the_security_archive_is_not_the_main_one() {
        let etc = sources(&[(
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://a.test/security\nSuites: bookworm-security\n\n\
             Types: deb\nURIs: http://a.test/debian\nSuites: bookworm\n",
        )]);
        let mirror = mirror(etc.path()).unwrap();
        assert_eq!(mirror.uri, "http://a.test/debian");
        assert_eq!(mirror.keyring, Path::new(DEBIAN_KEYRING));
    }

    #[test]
    fn lines_with_and_without_options_are_read() {
        let entries = parse_one_line(
            "# deb http://old.test x main\n\
             deb-src http://a.test/debian trixie main\n\
             deb [arch=amd64 signed-by=/keys/a.gpg] http://a.test/debian trixie main # here\n\
             deb\thttp://b.test/debian/ sid main contrib\n",
        );
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].uris, ["http://a.test/debian"]);
        assert_eq!(entries[0].signed_by, Some("/keys/a.gpg".into()));
        assert_eq!(entries[1].suites, ["sid"]);
        assert_eq!(entries[1].signed_by, None);
    }

    #[test]
    fn disabled_entries_discs_and_other_distributions_are_passed_over() {
        let etc = sources(&[
            ("sources.list", "deb cdrom:[Debian]/ bookworm main\n"),
            (
                "sources.list.d/a.list",
                "deb http://tools.test/apt tools-bookworm main\n",
            ),
            (
                "sources.list.d/b.sources",
                "Types: deb\nEnabled: no\nURIs: http://a.test/debian\nSuites: bookworm\n",
            ),
            ("sources.list.d/c.list.off", "deb http://b.test/debian bookworm main\n"),
        ]);
        let error = mirror(etc.path()).unwrap_err();
        assert!(matches!(error, SourcesError::NoDebian(_)), "{error}");
    }

    #[test]
    fn keys_inside_a_stanza_are_not_taken_for_a_path() {
        let entries = parse_deb822(
            "Types: deb\nURIs: http://a.test/debian\nSuites: stable\n\
             Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
        );
        assert_eq!(entries[0].signed_by, None);
    }
}
