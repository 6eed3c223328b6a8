//! A function's configuration space, with its lists walked once.

use reseat_core::address::FunctionAddress;
use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::express::Express;
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, ListEnd, StandardList};
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::walk::WalkEnd;
use reseat_core::capability::{ExtendedId, StandardId};
use reseat_core::config::RegisterError;
use reseat_core::header::CapabilityPointer;

use super::config_space::{ConfigError, ConfigFile};
use super::root::Root;

/// The longest extended list seen has 16.
pub(crate) type Extended = ExtendedList<ConfigError, 48>;

/// An open configuration space of a function that answers.
pub(crate) struct Space {
    pub(crate) config: ConfigFile,
    pub(crate) standard: StandardList<ConfigError>,
}

/// A configuration space whose lists cannot be walked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpaceError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot read the header of {function}: {cause}")]
    Header {
        function: FunctionAddress,
        cause: RegisterError<ConfigError>,
    },
}

impl Space {
    /// Opens it and walks the list of standard capabilities.
    ///
    /// # Errors
    /// When it cannot be opened, or its header cannot be read.
    pub(crate) fn open(root: &Root, function: FunctionAddress) -> Result<Self, SpaceError> {
        let mut config = ConfigFile::open(root, function)?;
        let pointer = CapabilityPointer::read(&mut config).map_err(|cause| SpaceError::Header { function, cause })?;
        let standard = StandardList::read(&mut config, pointer.unwrap_or(CapabilityPointer::None));
        Ok(Self { config, standard })
    }

    /// True if what is not in the list of standard capabilities is not there.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.standard.end(), ListEnd::Walked(WalkEnd::Complete))
    }

    pub(crate) fn has(&self, id: StandardId) -> bool {
        self.standard.find(id).is_some()
    }

    pub(crate) fn express(&mut self) -> Option<Express<&mut ConfigFile>> {
        Express::find(&self.standard, &mut self.config)
    }

    pub(crate) fn power_management(&mut self) -> Option<PowerManagement<&mut ConfigFile>> {
        PowerManagement::find(&self.standard, &mut self.config)
    }

    pub(crate) fn advanced_features(&mut self) -> Option<AdvancedFeatures<&mut ConfigFile>> {
        AdvancedFeatures::find(&self.standard, &mut self.config)
    }

    /// The list of extended capabilities, walked now; none where there is no extended space.
    pub(crate) fn extended(&mut self) -> Option<Extended> {
        let proof = ExtendedSpace::detect(&self.standard, &mut self.config).ok()?;
        Some(ExtendedList::read(&mut self.config, proof))
    }

    /// Whether it has AER.
    pub(crate) fn has_aer(&mut self) -> bool {
        let extended = self.extended();
        extended.is_some_and(|list| list.find(ExtendedId::AER).is_some())
    }
}
