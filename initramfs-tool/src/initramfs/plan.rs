//! The plan of an installation: the machine, checked against the request.

mod refusal;

use std::path::PathBuf;

use super::builder::Builder;
use super::machine::{Disk, Facts, Image, Kernel, RulesState};
use super::measured::Binding;
use crate::model::finding::{Finding, Severity, Subject, SubjectKind, id};

pub use refusal::{InstallRefusal, all_signs};

/// The suffix of the previous image's name.
pub const KEPT_SUFFIX: &str = ".before-reseat";

/// The suffix of the new image's name until it is verified.
pub const UNFINISHED_SUFFIX: &str = ".reseat-new";

/// The maximum growth of a new image beyond reseat's files: the builder and its inputs may have changed since.
const GROWTH: u64 = 16 << 20;

/// The request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The requested builder, if any.
    pub builder: Option<Builder>,
    /// The requested kernels.
    pub kernels: Which,
    /// True to continue although a disk may not open.
    pub force: bool,
}

/// The kernels to install for.
#[derive(Clone, Debug, Default)]
pub enum Which {
    /// The running kernel.
    #[default]
    Running,
    /// Every kernel with an image.
    All,
    /// These kernels.
    Named(Vec<String>),
}

/// The plan of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallPlan {
    /// The chosen builder.
    pub builder: Builder,
    /// The kernels, each with the path of its image.
    pub kernels: Vec<(String, PathBuf)>,
    /// Refusals that force overrides, as warnings, and notes.
    pub findings: Vec<Finding>,
}

/// Returns the requested kernels with their images.
///
/// # Errors
/// When one does not exist.
pub fn choose<'a>(facts: &'a Facts, which: &Which) -> Result<Vec<(&'a str, &'a Image)>, InstallRefusal> {
    let named = |version: &str| {
        let kernel = facts.kernels.iter().find(|kernel| kernel.version == version);
        let kernel = kernel.ok_or_else(|| InstallRefusal::NoKernel {
            version: version.to_owned(),
            there: facts.kernels.iter().map(|kernel| kernel.version.clone()).collect(),
        })?;
        let image = kernel.image.as_ref().ok_or_else(|| InstallRefusal::NoImage {
            version: version.to_owned(),
            places: facts.places.clone(),
        })?;
        let mut others = facts.kernels.iter().filter(|other| other.version != kernel.version);
        let shares = |other: &&Kernel| other.image.as_ref().is_some_and(|other| other.path == image.path);
        match others.find(shares) {
            Some(other) => Err(InstallRefusal::SharedImage {
                image: image.path.clone(),
                versions: [kernel.version.clone(), other.version.clone()],
            }),
            None => Ok((kernel.version.as_str(), image)),
        }
    };
    match which {
        Which::Running => Ok(vec![named(
            facts.running.as_deref().ok_or(InstallRefusal::RunningUnknown)?,
        )?]),
        Which::Named(versions) => {
            let mut chosen: Vec<(&str, &Image)> = Vec::new();
            for version in versions {
                // A kernel that is named twice is built once.
                if !chosen.iter().any(|(known, _)| known == version) {
                    chosen.push(named(version)?);
                }
            }
            Ok(chosen)
        }
        Which::All => {
            let with_image = facts.kernels.iter().filter(|kernel| kernel.image.is_some());
            let all: Vec<_> = with_image
                .map(|kernel| named(&kernel.version))
                .collect::<Result<_, _>>()?;
            match all.is_empty() {
                true => Err(InstallRefusal::NoKernels),
                false => Ok(all),
            }
        }
    }
}

/// Chooses the builder of the images.
///
/// # Errors
/// When there is none, or the choice is ambiguous.
pub fn builder(facts: &Facts, request: &Request) -> Result<Builder, InstallRefusal> {
    match (request.builder, facts.builders.as_slice()) {
        (Some(asked), there) if there.contains(&asked) => Ok(asked),
        (Some(asked), _) => Err(InstallRefusal::BuilderNotThere(asked)),
        (None, []) => Err(InstallRefusal::NoBuilder),
        (None, [only]) => Ok(*only),
        (None, several) => match facts.made_by {
            Some(made_by) if several.contains(&made_by) => Ok(made_by),
            _ => Err(InstallRefusal::SeveralBuilders(several.to_vec())),
        },
    }
}

/// Decides on an installation.
///
/// # Errors
/// All refusals.
pub fn install(facts: &Facts, request: &Request) -> Result<InstallPlan, Vec<InstallRefusal>> {
    // Nothing else counts there: the system must not change.
    if let Some(deployed) = facts.deployed {
        return Err(vec![InstallRefusal::Deployed(deployed)]);
    }
    let mut refusals = invalid_rules(facts);
    if !facts.has_program {
        refusals.push(InstallRefusal::NoProgram);
    }
    let builder = builder(facts, request).map_err(|refusal| refusals.push(refusal)).ok();
    // Without a known builder, the places of images are unknown too.
    let kernels = builder.and_then(|_| {
        let chosen = choose(facts, &request.kernels);
        chosen.map_err(|refusal| refusals.push(refusal)).ok()
    });
    if let Some(kernels) = &kernels {
        refusals.extend(read_only(kernels));
        refusals.extend(no_space(kernels));
    }
    refusals.extend(builder.and_then(|builder| unfit(facts, builder)));
    let mut forcible = measured(facts);
    forcible.extend(unified(facts));
    forcible.extend(facts.peers_in_system.iter().cloned().map(InstallRefusal::PeerInSystem));
    let mut findings = Vec::new();
    match request.force {
        true => findings.extend(forcible.iter().map(forced)),
        false => refusals.append(&mut forcible),
    }
    let (Some(builder), Some(kernels), true) = (builder, kernels, refusals.is_empty()) else {
        return Err(refusals);
    };
    findings.extend(other_builders(facts, builder));
    findings.extend(other_images(facts, &kernels));
    findings.extend(no_rules(facts));
    let kernels = kernels
        .into_iter()
        .map(|(version, image)| (version.to_owned(), image.path.clone()));
    Ok(InstallPlan {
        builder,
        kernels: kernels.collect(),
        findings,
    })
}

/// Decides on an installation of the builder's files alone.
///
/// # Errors
/// All refusals.
pub fn install_files(facts: &Facts, request: &Request) -> Result<Builder, Vec<InstallRefusal>> {
    if let Some(deployed) = facts.deployed {
        return Err(vec![InstallRefusal::Deployed(deployed)]);
    }
    let mut refusals = invalid_rules(facts);
    let builder = builder(facts, request).map_err(|refusal| refusals.push(refusal));
    match (builder, refusals.is_empty()) {
        (Ok(builder), true) => Ok(builder),
        _ => Err(refusals),
    }
}

/// Refuses invalid rules: the next image would contain them, and claim nothing by them.
fn invalid_rules(facts: &Facts) -> Vec<InstallRefusal> {
    match &facts.rules {
        RulesState::Invalid(findings) => findings.iter().cloned().map(InstallRefusal::InvalidRules).collect(),
        RulesState::Missing(_) | RulesState::Valid => Vec::new(),
    }
}

/// Warns without a rules file: it may come later; until then, only the command line has rules.
fn no_rules(facts: &Facts) -> Option<Finding> {
    match &facts.rules {
        RulesState::Missing(file) => Some(Finding::warning(id::RULES_FILE_MISSING, Subject::file(file))),
        RulesState::Valid | RulesState::Invalid(_) => None,
    }
}

/// Refuses a builder that cannot work on this machine.
fn unfit(facts: &Facts, builder: Builder) -> Option<InstallRefusal> {
    match builder {
        Builder::Dracut => facts.by_sdbootutil.then_some(InstallRefusal::Sdbootutil),
        Builder::Mkinitcpio => facts.no_drop_ins.clone().map(InstallRefusal::NoDropIns),
        Builder::InitramfsTools => None,
    }
}

fn unified(facts: &Facts) -> Option<InstallRefusal> {
    let there = !facts.unified.is_empty();
    there.then(|| InstallRefusal::Unified {
        signs: facts.unified.clone(),
        secure_boot: facts.secure_boot,
    })
}

/// Returns a refusal that the operator overrides, as a warning.
fn forced(refusal: &InstallRefusal) -> Finding {
    let mut finding = refusal.finding().severity(Severity::Warning);
    finding.remedy = None;
    finding
}

fn other_builders(facts: &Facts, builder: Builder) -> Option<Finding> {
    let others = facts.builders.iter().filter(|other| **other != builder);
    let others: Vec<_> = others.map(|other| other.name()).collect();
    let finding = || {
        let subject = Subject::named(SubjectKind::Program, builder.name());
        Finding::note(id::OTHER_BUILDERS_INSTALLED, subject).with("others", others.join(", "))
    };
    (!others.is_empty()).then(finding)
}

fn other_images(facts: &Facts, chosen: &[(&str, &Image)]) -> Option<Finding> {
    let others = facts
        .kernels
        .iter()
        .filter(|kernel| kernel.image.is_some() && !chosen.iter().any(|(version, _)| *version == kernel.version));
    let others: Vec<_> = others.map(|kernel| kernel.version.as_str()).collect();
    let finding = || Finding::note(id::OTHER_IMAGES_STAY, Subject::machine()).with("kernels", others.join(", "));
    (!others.is_empty()).then(finding)
}

/// Refuses disks that may no longer open.
fn measured(facts: &Facts) -> Vec<InstallRefusal> {
    let unknown = facts
        .disks_unknown
        .iter()
        .map(|why| InstallRefusal::DisksUnknown(why.clone()));
    let disks = facts.disks.iter().filter_map(|Disk { path, binding }| {
        let disk = path.clone();
        match binding.clone() {
            Ok(Binding::None) => None,
            Ok(binding) => Some(InstallRefusal::Bound { disk, binding }),
            Err(cause) => Some(InstallRefusal::BindingUnknown { disk, cause }),
        }
    });
    unknown.chain(disks).collect()
}

fn read_only(kernels: &[(&str, &Image)]) -> Option<InstallRefusal> {
    let (_, image) = kernels.iter().find(|(_, image)| image.read_only)?;
    let directory = image.path.parent().unwrap_or(&image.path).to_owned();
    Some(InstallRefusal::ReadOnly(directory))
}

/// Refuses if space is short: the previous image stays, and the new ones need room beside it.
fn no_space(kernels: &[(&str, &Image)]) -> Vec<InstallRefusal> {
    let mut refusals: Vec<InstallRefusal> = Vec::new();
    for (_, image) in kernels {
        let beside = kernels
            .iter()
            .filter(|(_, other)| other.file_system == image.file_system);
        let needed = beside.map(|(_, other)| other.size + GROWTH).sum();
        let directory = image.path.parent().unwrap_or(&image.path).to_owned();
        let known = refusals
            .iter()
            .any(|refusal| matches!(refusal, InstallRefusal::NoSpace { directory: other, .. } if *other == directory));
        if needed > image.free && !known {
            refusals.push(InstallRefusal::NoSpace {
                directory,
                needed,
                free: image.free,
            });
        }
    }
    refusals
}

#[cfg(test)]
mod tests;
