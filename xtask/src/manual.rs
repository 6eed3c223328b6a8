//! Manual pages, out of what `--help` says.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Writes the pages of both programs, which are run for it: they have to be this machine's.
pub(crate) fn write(operator: &Path, claim: &Path, to: &Path) -> Result<()> {
    let pages = to.join("usr/share/man/man1");
    fs::create_dir_all(&pages).with_context(|| format!("cannot create {}", pages.display()))?;
    said(Command::new(operator).arg("manual-pages").arg(&pages))?;
    let help = said(Command::new(claim).arg("--help"))?;
    let pages = to.join("usr/share/man/man8");
    fs::create_dir_all(&pages).with_context(|| format!("cannot create {}", pages.display()))?;
    let page = pages.join("reseat-claim.8");
    fs::write(&page, page_of("reseat-claim", "8", &help)?).with_context(|| format!("cannot write {}", page.display()))
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// A page from a help text: paragraphs, a line `Usage: …`, and sections, whose titles stand alone on a line that ends with
/// a colon.
fn page_of(name: &str, section: &str, help: &str) -> Result<String> {
    let (description, rest) = help.split_once("\nUsage: ").context("the help has no usage")?;
    let (usage, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    let description = escaped(description);
    let (summary, _) = description.split_once('.').context("the help has no first sentence")?;
    let mut page = format!(
        ".TH {name} {section}\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n.SH DESCRIPTION\n{description}\n",
        escaped(name),
        summary.replace('\n', " "),
        escaped(usage)
    );
    let mut in_section = false;
    for line in rest.lines() {
        match line.strip_suffix(':').filter(|title| !title.starts_with(' ')) {
            Some(title) => {
                page += if in_section { ".fi\n" } else { "" };
                page += &format!(".SH {}\n.nf\n", escaped(title).to_uppercase());
                in_section = true;
            }
            None => page += &format!("{}\n", escaped(line)),
        }
    }
    page += if in_section { ".fi\n" } else { "" };
    Ok(page)
}

/// The text as roff prints it as it stands.
fn escaped(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A dot or an apostrophe at a line's begin would be a request.
        match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_text_becomes_a_page() {
        let help = "Does it, at\nonce. And more.\n\nUsage: it [OPTIONS]\n\nOptions:\n      --now  at once\n.x\n\nExit status: 0.\n";
        assert_eq!(
            page_of("it", "8", help).unwrap(),
            ".TH it 8\n.SH NAME\nit \\- Does it, at once\n.SH SYNOPSIS\nit [OPTIONS]\n.SH DESCRIPTION\nDoes it, at\nonce. And \
             more.\n\n.SH OPTIONS\n.nf\n      \\-\\-now  at once\n\\&.x\n\nExit status: 0.\n.fi\n"
        );
        assert!(page_of("it", "8", "nothing").is_err());
    }
}
