//! The machine held against what is asked for: what is to be done, or why it is not.

mod refusal;

use std::path::PathBuf;

use super::builder::Builder;
use super::measured::Binding;

pub use refusal::Refusal;

/// What the previous image is called, behind its name.
pub const KEPT_SUFFIX: &str = ".before-reseat";

/// What the new one is called until it is looked into.
pub const UNFINISHED_SUFFIX: &str = ".reseat-new";

/// How much larger a new image may become than the one before, beside what of ours comes into it: builders and what they
/// take up have moved on since.
const GROWTH: u64 = 16 << 20;

/// The machine, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The builders that are installed.
    pub builders: Vec<Builder>,
    /// Who made the image of the first of the chosen kernels; asked only where several could have.
    pub made_by: Option<Builder>,
    /// The kernel that runs.
    pub running: Option<String>,
    /// The kernels that are installed.
    pub kernels: Vec<Kernel>,
    /// Where images are looked for, for a kernel `VERSION`.
    pub places: Vec<String>,
    /// Whether `/usr/sbin/reseat-claim` is there.
    pub has_program: bool,
    /// Whether the system is an image that something else makes.
    pub deployed: Option<Deployed>,
    /// What speaks for unified kernel images.
    pub unified: Vec<String>,
    /// Whether openSUSE's sdbootutil puts images on the boot loader's partition, under names of its own.
    pub by_sdbootutil: bool,
    /// Why mkinitcpio would not read a file that is laid beside its configuration.
    pub no_drop_ins: Option<String>,
    /// Whether the firmware starts only what is signed.
    pub secure_boot: bool,
    /// The encrypted disks.
    pub disks: Vec<Disk>,
    /// Why not even the disks are known.
    pub disks_unknown: Option<String>,
}

/// An encrypted disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Which.
    pub path: PathBuf,
    /// What binds it, or why that is not known.
    pub binding: Result<Binding, String>,
}

/// A system whose files are replaced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// By ostree.
    Ostree,
    /// By bootc, from a container's image.
    Bootc,
}

/// A kernel that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its version, as `uname -r` has it.
    pub version: String,
    /// Its initramfs.
    pub image: Option<Image>,
}

/// An initramfs on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where.
    pub path: PathBuf,
    /// How large.
    pub size: u64,
    /// What is free where it is.
    pub free: u64,
    /// Which file system that is.
    pub file_system: u64,
    /// Whether nothing can be written there.
    pub read_only: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The builder, if it matters.
    pub builder: Option<Builder>,
    /// For which kernels.
    pub kernels: Which,
    /// Go on where a disk may not open.
    pub force: bool,
}

/// For which kernels.
#[derive(Clone, Debug, Default)]
pub enum Which {
    /// The one that runs.
    #[default]
    Running,
    /// Each that has an image.
    All,
    /// These.
    Named(Vec<String>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// With what.
    pub builder: Builder,
    /// For these kernels, and where their images are.
    pub kernels: Vec<(String, PathBuf)>,
    /// What would have stopped it without force, and other things worth knowing.
    pub notes: Vec<String>,
}

/// The kernels that are asked for, with their images.
///
/// # Errors
/// When one is not there.
pub fn choose<'a>(facts: &'a Facts, which: &Which) -> Result<Vec<(&'a str, &'a Image)>, Refusal> {
    let named = |version: &str| {
        let kernel = facts.kernels.iter().find(|kernel| kernel.version == version);
        let kernel = kernel.ok_or_else(|| Refusal::NoKernel {
            version: version.to_owned(),
            there: facts.kernels.iter().map(|kernel| kernel.version.clone()).collect(),
        })?;
        let image = kernel.image.as_ref().ok_or_else(|| Refusal::NoImage {
            version: version.to_owned(),
            places: facts.places.clone(),
        })?;
        let mut others = facts.kernels.iter().filter(|other| other.version != kernel.version);
        let shares = |other: &&Kernel| other.image.as_ref().is_some_and(|other| other.path == image.path);
        match others.find(shares) {
            Some(other) => Err(Refusal::SharedImage {
                image: image.path.clone(),
                versions: [kernel.version.clone(), other.version.clone()],
            }),
            None => Ok((kernel.version.as_str(), image)),
        }
    };
    match which {
        Which::Running => Ok(vec![named(facts.running.as_deref().ok_or(Refusal::RunningUnknown)?)?]),
        Which::Named(versions) => {
            let mut chosen: Vec<(&str, &Image)> = Vec::new();
            for version in versions {
                // One that is named twice is built once.
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
                true => Err(Refusal::NoKernels),
                false => Ok(all),
            }
        }
    }
}

/// Which builder makes the images.
///
/// # Errors
/// When there is none, or it cannot be said which.
pub fn builder(facts: &Facts, request: &Request) -> Result<Builder, Refusal> {
    match (request.builder, facts.builders.as_slice()) {
        (Some(asked), there) if there.contains(&asked) => Ok(asked),
        (Some(asked), _) => Err(Refusal::BuilderNotThere(asked)),
        (None, []) => Err(Refusal::NoBuilder),
        (None, [only]) => Ok(*only),
        (None, several) => match facts.made_by {
            Some(made_by) if several.contains(&made_by) => Ok(made_by),
            _ => Err(Refusal::SeveralBuilders(several.to_vec())),
        },
    }
}

/// What is to be done.
///
/// # Errors
/// Everything that speaks against it.
pub fn install(facts: &Facts, request: &Request) -> Result<Plan, Vec<Refusal>> {
    // Nothing else counts there: nothing of the system is to be changed.
    if let Some(deployed) = facts.deployed {
        return Err(vec![Refusal::Deployed(deployed)]);
    }
    let mut refusals = Vec::new();
    let mut notes = Vec::new();
    if !facts.has_program {
        refusals.push(Refusal::NoProgram);
    }
    let builder = builder(facts, request).map_err(|refusal| refusals.push(refusal)).ok();
    // Who knows no builder does not know where images are either.
    let kernels = builder.and_then(|_| {
        let chosen = choose(facts, &request.kernels);
        chosen.map_err(|refusal| refusals.push(refusal)).ok()
    });
    if let Some(kernels) = &kernels {
        refusals.extend(read_only(kernels));
        refusals.extend(no_space(kernels));
    }
    if let (Some(Builder::Dracut), true) = (builder, facts.by_sdbootutil) {
        refusals.push(Refusal::Sdbootutil);
    }
    if let (Some(Builder::Mkinitcpio), Some(why)) = (builder, &facts.no_drop_ins) {
        refusals.push(Refusal::NoDropIns(why.clone()));
    }
    let mut forcible = measured(facts);
    if !facts.unified.is_empty() {
        forcible.push(Refusal::Unified {
            signs: facts.unified.clone(),
            secure_boot: facts.secure_boot,
        });
    }
    match request.force {
        true => notes.extend(forcible.iter().map(|refusal| format!("forced, although {refusal}"))),
        false => refusals.append(&mut forcible),
    }
    let (Some(builder), Some(kernels), true) = (builder, kernels, refusals.is_empty()) else {
        return Err(refusals);
    };
    if facts.builders.len() > 1 {
        let others = facts.builders.iter().filter(|other| **other != builder);
        let others: Vec<_> = others.map(|other| other.name()).collect();
        notes.push(format!(
            "{builder} is used; {} is installed as well (--builder chooses)",
            others.join(", ")
        ));
    }
    let others = facts
        .kernels
        .iter()
        .filter(|kernel| kernel.image.is_some() && !kernels.iter().any(|(version, _)| *version == kernel.version));
    let others: Vec<_> = others.map(|kernel| kernel.version.as_str()).collect();
    if !others.is_empty() {
        notes.push(format!(
            "the images of {} stay as they are until they are built anew (--all takes them along)",
            others.join(", ")
        ));
    }
    let kernels = kernels
        .into_iter()
        .map(|(version, image)| (version.to_owned(), image.path.clone()));
    Ok(Plan {
        builder,
        kernels: kernels.collect(),
        notes,
    })
}

/// The disks that may not open any more.
fn measured(facts: &Facts) -> Vec<Refusal> {
    let unknown = facts.disks_unknown.iter().map(|why| Refusal::DisksUnknown(why.clone()));
    let disks = facts.disks.iter().filter_map(|Disk { path, binding }| {
        let disk = path.clone();
        match binding.clone() {
            Ok(Binding::None) => None,
            Ok(binding) => Some(Refusal::Bound { disk, binding }),
            Err(why) => Some(Refusal::BindingUnknown { disk, why }),
        }
    });
    unknown.chain(disks).collect()
}

fn read_only(kernels: &[(&str, &Image)]) -> Option<Refusal> {
    let (_, image) = kernels.iter().find(|(_, image)| image.read_only)?;
    let directory = image.path.parent().unwrap_or(&image.path).to_owned();
    Some(Refusal::ReadOnly(directory))
}

/// The previous image stays, so the new ones come beside it.
fn no_space(kernels: &[(&str, &Image)]) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for (_, image) in kernels {
        let beside = kernels
            .iter()
            .filter(|(_, other)| other.file_system == image.file_system);
        let needed = beside.map(|(_, other)| other.size + GROWTH).sum();
        let directory = image.path.parent().unwrap_or(&image.path).to_owned();
        let known = refusals
            .iter()
            .any(|refusal| matches!(refusal, Refusal::NoSpace { directory: other, .. } if *other == directory));
        if needed > image.free && !known {
            refusals.push(Refusal::NoSpace {
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
