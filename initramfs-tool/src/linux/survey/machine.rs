//! The machine's functions, as reset domains are drawn from them.
//!
//! Of most functions, what the kernel remembers is enough: the tree of buses is made of it. Only the ports above a GPU
//! and what shares its domain are read themselves, each after the link of the port above it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::StandardId;
use reseat_core::capability::cxl_flex_bus::CxlFlexBusPort;
use reseat_core::capability::designated_vendor_specific::CxlPort;
use reseat_core::header::BusNumbers;
use reseat_core::presence::{Admission, PortLink, Readiness, RrsVisibility};
use reseat_core::topology::function::{Bridge, Cxl, Fact, Function, HotplugOwner, Power, Role, Slot};
use reseat_core::topology::{Node, Place, Topology, TopologyError};

use super::admission;
use crate::linux::sysfs::capabilities::{Extended, Space};
use crate::linux::sysfs::config_space::{ConfigError, ConfigFile};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory;
use crate::model::subject::Member;

/// What was found out about a machine for the sake of one GPU.
pub(crate) struct Survey {
    /// By address.
    pub(crate) functions: Vec<Function>,
    /// Room for the topology of them.
    room: Vec<Node>,
    /// What could not be read.
    pub(crate) findings: Vec<Finding>,
    /// Every function was listed, and its identity and class were read.
    pub(crate) is_complete: bool,
}

impl Survey {
    /// Looks at the machine around the functions of `device`. Those of `known` that the kernel does not list are absent.
    ///
    /// # Errors
    /// When the functions make no topology.
    pub(crate) fn around(root: &Root, device: DeviceAddress, known: &[Member]) -> Result<Self, TopologyError> {
        let mut survey = Self::shallow(root);
        for member in known {
            survey.remember(member);
        }
        let mut room = std::mem::take(&mut survey.room);
        let found = {
            let topology = Topology::new(&survey.functions, &mut room)?;
            let mut reader = Reader::new(root);
            let near = near(topology, device);
            let found: Vec<Function> = near.into_iter().map(|place| reader.at(place)).collect();
            survey.findings.extend(reader.findings);
            found
        };
        for function in found {
            if let Some(known) = survey
                .functions
                .iter_mut()
                .find(|known| known.address == function.address)
            {
                *known = function;
            }
        }
        survey.room = room;
        Ok(survey)
    }

    fn shallow(root: &Root) -> Self {
        let listing = functions::list(root);
        let is_complete = listing.problems.is_empty() && listing.unreadable.is_empty();
        let unreadable = listing.unreadable.into_iter().map(|(_, problem)| problem);
        let problems = listing.problems.into_iter().chain(unreadable);
        let findings = problems.collect();
        let functions: Vec<Function> = listing
            .functions
            .iter()
            .map(|function| remembered(root, function))
            .collect();
        let room = vec![Node::EMPTY; functions.len()];
        Self {
            functions,
            room,
            findings,
            is_complete,
        }
    }

    /// Puts a function among them that the kernel does not list.
    fn remember(&mut self, member: &Member) {
        let place = self
            .functions
            .binary_search_by_key(&member.address, |function| function.address);
        if let Err(place) = place {
            let mut function = Function::new(member.address, member.identity, member.class);
            function.role = Role::Endpoint;
            function.readiness = Some(Readiness::Absent);
            function.virtual_functions = Some(0);
            self.functions.insert(place, function);
            self.room.push(Node::EMPTY);
        }
    }

    /// How they hang together.
    ///
    /// # Errors
    /// When the functions make no topology.
    pub(crate) fn topology(&mut self) -> Result<Topology<'_>, TopologyError> {
        Topology::new(&self.functions, &mut self.room)
    }
}

/// The ports above the functions of `device`, and everything below its card root.
fn near(topology: Topology<'_>, device: DeviceAddress) -> Vec<Place<'_>> {
    let mut near: BTreeMap<FunctionAddress, Place<'_>> = BTreeMap::new();
    let of_device = |place: &Place<'_>| place.address().device_address() == device;
    for place in topology.places().filter(of_device) {
        near.insert(place.address(), place);
        let above = std::iter::successors(place.port_above(), |port| port.port_above());
        near.extend(above.map(|port| (port.address(), port)));
        let below = place.card_root().into_iter().flat_map(Place::below);
        near.extend(below.map(|place| (place.address(), place)));
    }
    near.into_values().collect()
}

/// What the kernel remembers of a function.
fn remembered(root: &Root, function: &inventory::Function) -> Function {
    let mut known = Function::new(function.address, function.identity, function.class);
    let directory = root.function(function.address);
    let number = |file: &str| -> Option<u8> { attributes::read(&directory.join(file)).ok()?.parse().ok() };
    known.role = if function.class.leads_to_a_bus() {
        let buses = number("secondary_bus_number").zip(number("subordinate_bus_number"));
        let buses = buses.map(|(secondary, subordinate)| BusNumbers {
            primary: function.address.bus(),
            secondary,
            subordinate,
        });
        Role::Bridge(Bridge {
            buses,
            ..Bridge::new(BusNumbers {
                primary: 0,
                secondary: 0,
                subordinate: 0,
            })
        })
    } else {
        Role::Endpoint
    };
    known.physical_function = physical_function(root, function.address);
    known.virtual_functions = match attributes::read_if_there(&directory.join("sriov_numvfs")) {
        Ok(None) => Some(0),
        Ok(Some(text)) => text.parse().ok(),
        Err(_) => None,
    };
    known
}

fn physical_function(root: &Root, function: FunctionAddress) -> Option<FunctionAddress> {
    let name = attributes::link_name(&root.function(function).join("physfn")).ok()??;
    name.parse().ok()
}

/// Reads functions, each after the link of the port above it.
struct Reader<'a> {
    root: &'a Root,
    links: BTreeMap<FunctionAddress, PortLink>,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Root) -> Self {
        Self {
            root,
            links: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// What is known of a function and what it says itself.
    fn at(&mut self, place: Place<'_>) -> Function {
        let mut function = *place.function();
        match function.role {
            Role::Bridge(bridge) => function.role = Role::Bridge(self.bridge(place, bridge)),
            // One that is not listed cannot be read.
            Role::Endpoint if function.readiness == Some(Readiness::Absent) => {}
            // A virtual function goes with its physical one.
            Role::Endpoint if function.physical_function.is_none() => self.endpoint(place, &mut function),
            Role::Endpoint | Role::Unknown => {}
        }
        function
    }

    /// What a port says about the link below it.
    fn link(&mut self, port: Place<'_>) -> PortLink {
        if let Some(&known) = self.links.get(&port.address()) {
            return known;
        }
        let link = match self.admission(port) {
            Ok(admission) => admission::link_of(self.root, port.address(), admission),
            Err(Readiness::LinkInactive) => PortLink::Inactive,
            Err(_) => PortLink::Unreadable,
        };
        self.links.insert(port.address(), link);
        link
    }

    fn admission(&mut self, place: Place<'_>) -> Result<Admission, Readiness> {
        match place.port_above() {
            None => Ok(Admission::on_root_bus()),
            Some(above) => self.link(above).admit(),
        }
    }

    fn bridge(&mut self, place: Place<'_>, mut bridge: Bridge) -> Bridge {
        bridge.link = self.link(place);
        if self.admission(place).is_err() {
            return bridge;
        }
        let Ok(mut space) = Space::open(self.root, place.address()) else {
            return bridge;
        };
        bridge.cxl = cxl(&mut space);
        let is_complete = space.is_complete();
        let Some(mut express) = space.express() else {
            if is_complete {
                bridge.slot = Slot::None;
                bridge.ari_forwarding = Fact::No;
            }
            return bridge;
        };
        bridge.port_type = Some(express.capabilities().device_port_type());
        bridge.ari_forwarding = match express.device_control_2() {
            Ok(Some(control)) => control.ari_forwarding_enable().into(),
            Ok(None) => Fact::No,
            Err(_) => Fact::Unknown,
        };
        bridge.slot = match express.slot_capabilities() {
            Ok(None) => Slot::None,
            Ok(Some(slot)) => Slot::Present {
                hot_plug: slot.hot_plug_capable().into(),
                power_controller: slot.power_controller_present().into(),
                owner: self.hotplug_owner(place.address(), bridge.buses),
            },
            Err(_) => Slot::Unknown,
        };
        bridge
    }

    /// Who acts on a port's slot: whoever has made itself known at it.
    fn hotplug_owner(&self, port: FunctionAddress, buses: Option<BusNumbers>) -> HotplugOwner {
        if is_served_by_pciehp(self.root, port) {
            return HotplugOwner::Os;
        }
        let slot = buses.and_then(|buses| slot_below(self.root, port, buses.secondary));
        match slot {
            Some(_) => HotplugOwner::Acpi,
            None => HotplugOwner::Unknown,
        }
    }

    fn endpoint(&mut self, place: Place<'_>, function: &mut Function) {
        let address = place.address();
        let readiness = match self.admission(place) {
            Ok(admission) => readiness(self.root, address, admission, self.rrs_visibility(place)),
            Err(readiness) => Ok(readiness),
        };
        match readiness {
            Ok(readiness) => function.readiness = Some(readiness),
            Err(error) => self.findings.push(unreadable_config(address, &error)),
        }
        let answers = matches!(
            function.readiness,
            Some(Readiness::Ready(_) | Readiness::HalfInitialised(_))
        );
        if answers {
            match Space::open(self.root, address) {
                Ok(mut space) => read_offers(&mut space, function),
                Err(error) => self.findings.push(unreadable_config(address, &error)),
            }
        }
    }

    fn rrs_visibility(&self, place: Place<'_>) -> RrsVisibility {
        let root_port = std::iter::successors(place.port_above(), |port| port.port_above()).last();
        rrs_visibility(self.root, root_port.map(Place::address))
    }
}

/// Whether the root port lets "not ready" be seen. Without one, or where it cannot be read, `0001` is taken for that: no
/// GPU's vendor is 0001.
pub(crate) fn rrs_visibility(root: &Root, root_port: Option<FunctionAddress>) -> RrsVisibility {
    let visibility = root_port.and_then(|port| {
        let mut space = Space::open(root, port).ok()?;
        let (control, _) = space.express()?.root().ok()??;
        Some(control.rrs_software_visibility_enable())
    });
    visibility.unwrap_or(RrsVisibility::Enabled)
}

/// Whether a function is ready, from its own registers.
///
/// # Errors
/// When its configuration space cannot be read.
pub(crate) fn readiness(
    root: &Root,
    function: FunctionAddress,
    admission: Admission,
    rrs: RrsVisibility,
) -> Result<Readiness, ConfigError> {
    let mut config = ConfigFile::open(root, function)?;
    admission.function(&mut config, rrs)
}

/// A configuration space that cannot be read.
pub(crate) fn unreadable_config(function: FunctionAddress, error: impl Display) -> Finding {
    Finding::error(id::CONFIG_UNREADABLE, Subject::function(function)).with("cause", error)
}

fn read_offers(space: &mut Space, function: &mut Function) {
    let absent = if space.is_complete() { Fact::No } else { Fact::Unknown };
    function.flr = match space.express().map(|mut express| express.device_capabilities()) {
        Some(Ok(capabilities)) => capabilities.function_level_reset_capability().into(),
        Some(Err(_)) => Fact::Unknown,
        None => absent,
    };
    function.advanced_features_flr = match space.advanced_features() {
        Some(features) => features.capabilities().offers_flr().into(),
        None => absent,
    };
    let has_power_management = space.has(StandardId::POWER_MANAGEMENT);
    let control_status = space.power_management().map(|mut power| power.control_status());
    function.power = match control_status {
        Some(Ok(control_status)) => Power::Present {
            no_soft_reset: control_status.no_soft_reset().into(),
            state: Some(control_status.power_state()),
        },
        Some(Err(_)) => Power::Present {
            no_soft_reset: Fact::Unknown,
            state: None,
        },
        None if !has_power_management && absent == Fact::No => Power::None,
        None => Power::Unknown,
    };
}

/// Whether a CXL port masks its secondary bus reset.
fn cxl(space: &mut Space) -> Cxl {
    let is_conventional = !space.has(StandardId::EXPRESS) && space.is_complete();
    let Some(extended) = space.extended() else {
        return if is_conventional { Cxl::None } else { Cxl::Unknown };
    };
    match CxlPort::find(&extended, &mut space.config) {
        Ok(None) => Cxl::None,
        Ok(Some(mut port)) => match port.control() {
            Ok(control) if control.unmask_sbr() => Cxl::SbrUnmasked,
            Ok(_) => masked(&extended, space),
            Err(_) => Cxl::Unknown,
        },
        Err(_) => Cxl::Unknown,
    }
}

/// A port whose Unmask SBR is clear: what its link carries decides. Where that is unknown, the mask counts.
fn masked(extended: &Extended, space: &mut Space) -> Cxl {
    let port = CxlFlexBusPort::find(extended, &mut space.config);
    match port.ok().flatten().map(|mut port| port.status()) {
        Some(Ok(status)) if !status.carries_cxl() => Cxl::NotInUse,
        Some(_) | None => Cxl::SbrMasked,
    }
}

/// Whether pciehp is bound to the port's hot-plug service.
fn is_served_by_pciehp(root: &Root, port: FunctionAddress) -> bool {
    let Ok(entries) = fs::read_dir(root.path("/sys/bus/pci_express/drivers/pciehp")) else {
        return false;
    };
    let prefix = format!("{port}:pcie");
    let mut names = entries.flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with(&prefix))
}

/// The slot of the bus below a port, by its name in sysfs.
pub(crate) fn slot_below(root: &Root, port: FunctionAddress, secondary: u8) -> Option<String> {
    let device = DeviceAddress::new(port.segment(), secondary, 0).ok()?.to_string();
    let entries = fs::read_dir(root.path("/sys/bus/pci/slots")).ok()?;
    let mut slots = entries.flatten();
    slots.find_map(|slot| {
        let address = attributes::read(&slot.path().join("address")).ok()?;
        (address == device).then(|| slot.file_name().to_string_lossy().into_owned())
    })
}
