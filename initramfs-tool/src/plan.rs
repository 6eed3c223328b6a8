//! From rules to GPUs: which are claimed, which are refused and why, and which rules came to nothing.

mod choice;
mod refusal;

pub use choice::Nothing;
pub use refusal::ClaimRefusal;

use std::mem;

use reseat_core::address::{DeviceAddress, FunctionAddress};

use crate::model::display::{self, Sign};
use crate::model::finding::Finding;
use crate::model::inventory::{self, Details, Function, Gpu, Portions};
use crate::model::iommu;
use crate::model::system_use::SystemUse;
use crate::model::variants::Variant;
use crate::rules::{Choice, Display, GroupPeers, Rule};

/// What the rules ask for on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPlan {
    /// Each rule with what it came to, in the rules' order.
    pub rules: Vec<(Rule, RuleOutcome)>,
    /// The GPUs to claim, by address, each once however many rules choose it; with the other functions of its IOMMU groups,
    /// where a rule says so.
    pub claim: Vec<Gpu>,
    /// The other functions in the IOMMU groups of GPUs to claim, where no rule takes them.
    pub peers: Vec<(DeviceAddress, Vec<Function>)>,
    /// What shows that something is shown through a GPU to claim.
    pub signs: Vec<Sign>,
    /// Which functions have a variant of vfio-pci that is made for them.
    pub variants: Vec<(FunctionAddress, Variant)>,
    /// The GPUs that were chosen and cannot be claimed.
    pub refused: Vec<(Gpu, ClaimRefusal)>,
    /// The GPUs that are out of service, chosen or not, and why. They are isolated.
    pub out_of_service: Vec<(Gpu, OutOfService)>,
    /// The functions of GPUs, where rules name them.
    pub portions: Portions,
    /// The uses of functions by the running system, as far as somebody has looked.
    pub system_uses: Vec<SystemUse>,
    /// The GPUs that stand where another one did that is out of service, with a note on that one.
    pub replaced: Vec<(DeviceAddress, Finding)>,
}

/// Whether a GPU would be claimed if it were in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It would.
    Yes,
    /// It would not.
    No,
}

/// The ground on which a GPU counts as out of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutOfService {
    /// The quarantine has an entry of it, with this reason.
    Noted(String),
    /// The quarantine cannot be read, which counts for every GPU.
    Unknown,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It chose these GPUs.
    Chose(Vec<DeviceAddress>),
    /// It chose none.
    Nothing(Nothing),
}

/// The machine that the rules are held against.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// Its functions.
    pub functions: &'a [Function],
    /// Functions that are there and could not be read, and why.
    pub unreadable: &'a [(FunctionAddress, Finding)],
    /// What the rules ask beyond that.
    pub details: &'a Details,
    /// What shows that something is shown through its functions.
    pub signs: &'a [Sign],
    /// What is known of its IOMMU.
    pub iommu: &'a iommu::IommuFacts,
}

/// Holds the rules against the machine.
pub fn plan(rules: Vec<Rule>, machine: PlanInputs<'_>) -> ClaimPlan {
    let gpus = inventory::claimable(machine.functions, &Portions::default());
    let rules: Vec<(Rule, RuleOutcome)> = rules
        .into_iter()
        .map(|rule| {
            let outcome = choice::of_rule(&rule, machine, &gpus);
            (rule, outcome.map_or_else(RuleOutcome::Nothing, RuleOutcome::Chose))
        })
        .collect();
    let portions = portions_of(&rules);
    let gpus = inventory::claimable(machine.functions, &portions);
    let mut plan = ClaimPlan {
        rules,
        claim: Vec::new(),
        peers: Vec::new(),
        signs: Vec::new(),
        variants: Vec::new(),
        refused: Vec::new(),
        out_of_service: Vec::new(),
        portions,
        system_uses: Vec::new(),
        replaced: Vec::new(),
    };
    for gpu in &gpus {
        if plan.rules_for(gpu.device).next().is_none() {
            continue;
        }
        let refusal = refusal(gpu, machine, &plan.portions).or_else(|| plan.peers_unknown(gpu));
        match refusal.or_else(|| plan.peers_refused(gpu, machine, &gpus)) {
            None => plan.claim.push(gpu.clone()),
            Some(refusal) => plan.refused.push((gpu.clone(), refusal)),
        }
    }
    plan.take_peers(machine, &gpus);
    plan.keep_a_display(machine.signs, &gpus);
    plan
}

/// The functions of the GPUs that rules choose, where these name them.
#[cfg(feature = "operator")]
pub fn portions(rules: &[Rule], machine: PlanInputs<'_>) -> Portions {
    let gpus = inventory::claimable(machine.functions, &Portions::default());
    let naming = rules.iter().filter(|rule| rule.functions.is_some());
    let chosen = naming.filter_map(|rule| {
        let devices = choice::of_rule(rule, machine, &gpus).ok()?;
        Some((rule.clone(), RuleOutcome::Chose(devices)))
    });
    portions_of(&chosen.collect::<Vec<_>>())
}

fn portions_of(rules: &[(Rule, RuleOutcome)]) -> Portions {
    let mut portions = Portions::default();
    for (rule, outcome) in rules {
        if let (Some(functions), RuleOutcome::Chose(devices)) = (rule.functions, outcome) {
            devices.iter().for_each(|device| portions.add(*device, functions));
        }
    }
    portions
}

impl ClaimPlan {
    /// True if a function among those of a GPU to claim is its own, and not one of its groups'.
    fn owns(&self, gpu: &Gpu, function: FunctionAddress) -> bool {
        function.device_address() == gpu.device && self.portions.allow(function)
    }

    /// The rules that chose a GPU.
    fn rules_for(&self, device: DeviceAddress) -> impl Iterator<Item = &Rule> {
        let chose =
            move |outcome: &RuleOutcome| matches!(outcome, RuleOutcome::Chose(devices) if devices.contains(&device));
        self.rules
            .iter()
            .filter(move |(_, outcome)| chose(outcome))
            .map(|(rule, _)| rule)
    }

    /// The variant of vfio-pci that is made for a function.
    pub(crate) fn variant_of(&self, function: FunctionAddress) -> Option<&Variant> {
        let mut variants = self.variants.iter();
        variants
            .find(|(address, _)| *address == function)
            .map(|(_, variant)| variant)
    }

    /// Whether a rule takes who is in the groups of this GPU.
    pub(crate) fn takes_peers_of(&self, device: DeviceAddress) -> bool {
        self.rules_for(device).any(|rule| rule.group_peers == GroupPeers::Claim)
    }

    /// A rule that takes who is in the GPU's groups has them claimed with it or not at all.
    fn peers_unknown(&self, gpu: &Gpu) -> Option<ClaimRefusal> {
        let function = gpu.functions.iter().find(|function| function.iommu_group.is_none())?;
        let is_asked_for = self.takes_peers_of(gpu.device);
        is_asked_for.then_some(ClaimRefusal::PeersUnknown(function.address))
    }

    /// Who is taken with the GPU has to be one that may lose its driver.
    fn peers_refused(&self, gpu: &Gpu, machine: PlanInputs<'_>, gpus: &[Gpu]) -> Option<ClaimRefusal> {
        let (taken, _) = self.peers_of(gpu, machine, gpus);
        let named: Vec<&Choice> = self.rules_for(gpu.device).flat_map(|rule| &rule.named_peers).collect();
        let is_unnamed = |peer: &Function| {
            let may_stay = inventory::may_carry_the_system(peer.class) && !choice::is_named(peer, &named, machine);
            may_stay.then_some(ClaimRefusal::PeerUnnamed {
                function: peer.address,
                class: peer.class,
            })
        };
        let is_virtual = |peer: &Function| {
            peer.physical
                .is_some()
                .then_some(ClaimRefusal::VirtualPeer(peer.address))
        };
        let refusal = |peer: &Function| {
            let unread = cannot_read(peer.address.device_address(), machine);
            unread
                .or_else(|| has_virtual_functions(peer, machine.functions))
                .or_else(|| is_virtual(peer))
                .or_else(|| is_unnamed(peer))
        };
        taken.iter().find_map(refusal)
    }

    /// Who else is in the groups of a GPU: those that a rule takes, and those that stay. What a rule leaves out it does not
    /// take as a peer either.
    fn peers_of(&self, gpu: &Gpu, machine: PlanInputs<'_>, gpus: &[Gpu]) -> (Vec<Function>, Vec<Function>) {
        let takes = |rule: &&Rule| rule.group_peers == GroupPeers::Claim;
        let left_out: Option<Vec<DeviceAddress>> = self
            .rules_for(gpu.device)
            .find(takes)
            .map(|rule| choice::left_out(rule, machine, gpus));
        peers(gpu, machine).cloned().partition(|function| {
            let left_out = left_out.as_ref();
            left_out.is_some_and(|devices| !devices.contains(&function.address.device_address()))
        })
    }

    /// Looks at who else is in the groups of the GPUs to claim, and takes those that a rule takes.
    fn take_peers(&mut self, machine: PlanInputs<'_>, gpus: &[Gpu]) {
        let mut taken: Vec<FunctionAddress> = self.claim.iter().flat_map(addresses).collect();
        for index in 0..self.claim.len() {
            let Some(gpu) = self.claim.get(index).cloned() else {
                continue;
            };
            let (mut take, mut leave) = self.peers_of(&gpu, machine, gpus);
            for peers in [&mut take, &mut leave] {
                peers.retain(|function| !taken.contains(&function.address));
            }
            taken.extend(take.iter().map(|function| function.address));
            if let Some(gpu) = self.claim.get_mut(index) {
                gpu.functions.extend(take);
            }
            if !leave.is_empty() {
                self.peers.push((gpu.device, leave));
            }
        }
        // One that was left is taken with another GPU, where groups overlap.
        for (_, peers) in &mut self.peers {
            peers.retain(|function| !taken.contains(&function.address));
        }
        self.peers.retain(|(_, peers)| !peers.is_empty());
    }

    /// Refuses GPUs through which something is shown, if no other would be left that can show anything. One that is out of
    /// service cannot.
    fn keep_a_display(&mut self, signs: &[Sign], gpus: &[Gpu]) {
        let isolated = self.out_of_service.iter().map(|(gpu, _)| gpu);
        let gone: Vec<FunctionAddress> = self.claim.iter().chain(isolated).flat_map(addresses).collect();
        let sign_on = |gpu: &Gpu| {
            let mut signs = signs.iter();
            signs.find(|sign| gpu.function(sign.function).is_some()).cloned()
        };
        let stays = gpus.iter().any(|gpu| {
            let mut functions = gpu.functions.iter();
            functions.any(|it| display::may_have_outputs(it.class) && !gone.contains(&it.address))
        });
        let is_kept = |gpu: &Gpu| !stays && !self.rules_for(gpu.device).any(|rule| rule.display == Display::Force);
        let refused: Vec<(Gpu, ClaimRefusal)> = self
            .claim
            .iter()
            .filter(|gpu| is_kept(gpu))
            .filter_map(|gpu| Some((gpu.clone(), ClaimRefusal::OnlyDisplay(sign_on(gpu)?))))
            .collect();
        self.refuse(refused);
        let is_claimed = |sign: &&Sign| self.claim.iter().any(|gpu| gpu.function(sign.function).is_some());
        self.signs = signs.iter().filter(is_claimed).cloned().collect();
    }

    fn refuse(&mut self, refused: Vec<(Gpu, ClaimRefusal)>) {
        for (gpu, _) in &refused {
            self.claim.retain(|claim| claim.device != gpu.device);
            self.peers.retain(|(device, _)| *device != gpu.device);
            self.signs.retain(|sign| gpu.function(sign.function).is_none());
        }
        self.refused.extend(refused);
    }

    /// Refuses GPUs of which a peer would be taken from a driver of the host's: on a running machine somebody may be at work
    /// with it, as with a mounted disk, and nobody can see that. `is_vfio` says of a driver that it is not the host's.
    pub fn spare_peers_at_work(&mut self, is_vfio: impl Fn(&str) -> bool) {
        let at_work = |gpu: &Gpu| {
            let peers = gpu.functions.iter();
            let mut peers = peers.filter(|function| !self.owns(gpu, function.address));
            peers.find_map(|peer| {
                let driver = peer.driver.clone().filter(|driver| !is_vfio(driver))?;
                let function = peer.address;
                Some(ClaimRefusal::PeerAtWork { function, driver })
            })
        };
        let claim = self.claim.iter();
        let refused = claim.filter_map(|gpu| Some((gpu.clone(), at_work(gpu)?)));
        self.refuse(refused.collect());
    }

    /// Refuses GPUs of which a peer would be taken, or is refused for its class, that carries the running system.
    pub fn spare_the_system(&mut self, uses: Vec<SystemUse>) {
        let carrying = |gpu: &Gpu| {
            let peers = gpu
                .functions
                .iter()
                .filter(|function| !self.owns(gpu, function.address));
            let mut peers = peers.map(|peer| peer.address);
            peers.find_map(|peer| uses.iter().find(|system| system.function == peer).cloned())
        };
        let claim = self.claim.iter();
        let refused = claim.filter_map(|gpu| Some((gpu.clone(), ClaimRefusal::PeerInSystem(carrying(gpu)?))));
        self.refuse(refused.collect());
        for (_, refusal) in &mut self.refused {
            let ClaimRefusal::PeerUnnamed { function, .. } = refusal else {
                continue;
            };
            if let Some(system) = uses.iter().find(|system| system.function == *function) {
                *refusal = ClaimRefusal::PeerInSystem(system.clone());
            }
        }
        self.system_uses = uses;
    }

    /// Leaves of the plan what is about the GPU on `device`: it, the rules that choose it, and those that name an address on
    /// it and refuse what is there.
    pub fn narrow_to(&mut self, device: DeviceAddress) {
        self.rules.retain(|(_, outcome)| outcome.is_about(device));
        self.claim.retain(|gpu| gpu.device == device);
        self.peers.retain(|(claim, _)| *claim == device);
        let functions: Vec<FunctionAddress> = self.claim.iter().flat_map(addresses).collect();
        self.signs.retain(|sign| functions.contains(&sign.function));
        self.refused.retain(|(gpu, _)| gpu.device == device);
        self.out_of_service.retain(|(gpu, _)| gpu.device == device);
        self.replaced.retain(|(replacement, _)| *replacement == device);
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.claim.is_empty() && self.refused.is_empty() && self.out_of_service.is_empty()
    }

    /// Sets GPUs aside that are out of service: those of the machine's `functions` that `against` says so of.
    ///
    /// Strangers beside one are left where they are. One with virtual functions is refused: somebody may have one of them.
    pub fn set_aside(&mut self, functions: &[Function], mut against: impl FnMut(&Gpu, Chosen) -> Option<OutOfService>) {
        let gpus = inventory::gpus_of(functions, &self.portions);
        for mut gpu in gpus.iter().cloned() {
            let chosen = match self.claim.iter().any(|claim| claim.device == gpu.device) {
                true => Chosen::Yes,
                false => Chosen::No,
            };
            let Some(why) = against(&gpu, chosen) else {
                continue;
            };
            let is_whole = self.portions.of(gpu.device).is_none();
            gpu.functions.retain(|function| !(is_whole && is_stranger(function)));
            self.claim.retain(|claim| claim.device != gpu.device);
            self.peers.retain(|(claim, _)| *claim != gpu.device);
            for claim in &mut self.claim {
                claim.functions.retain(|peer| gpu.function(peer.address).is_none());
            }
            self.refused.retain(|(refused, _)| refused.device != gpu.device);
            let mut of_gpu = gpu.functions.iter();
            let occupied = of_gpu.find_map(|it| Some((it.address, virtual_functions(it, functions)?)));
            match occupied {
                Some((function, count)) => {
                    let refusal = ClaimRefusal::NotIsolated { why, function, count };
                    self.refused.push((gpu, refusal));
                }
                None => self.out_of_service.push((gpu, why)),
            }
        }
        let signs = mem::take(&mut self.signs);
        self.keep_a_display(&signs, &gpus);
    }
}

impl RuleOutcome {
    fn is_about(&self, device: DeviceAddress) -> bool {
        match self {
            Self::Chose(devices) => devices.contains(&device),
            Self::Nothing(
                Nothing::GuardFailed { address, .. }
                | Nothing::NotAGpu { address, .. }
                | Nothing::CannotRead { address, .. }
                | Nothing::Virtual(address),
            ) => address.device_address() == device,
            Self::Nothing(Nothing::NoneOf { gpus, .. }) => gpus.contains(&device),
            // It might have been chosen.
            Self::Nothing(Nothing::CannotLeaveOut { .. }) => true,
            Self::Nothing(_) => false,
        }
    }
}

fn addresses(gpu: &Gpu) -> impl Iterator<Item = FunctionAddress> {
    gpu.functions.iter().map(|function| function.address)
}

/// The other functions in the groups of a GPU. Bridges do not count.
fn peers<'a>(gpu: &'a Gpu, machine: PlanInputs<'a>) -> impl Iterator<Item = &'a Function> {
    let shares = |function: &Function| {
        let mut functions = gpu.functions.iter();
        function.iommu_group.is_some() && functions.any(|it| it.iommu_group == function.iommu_group)
    };
    let others = machine.functions.iter().filter(|it| gpu.function(it.address).is_none());
    others.filter(move |function| shares(function) && !inventory::is_neutral_in_iommu_group(function.class))
}

fn is_stranger(function: &Function) -> bool {
    !inventory::belongs_to_a_gpu(function.class) && !inventory::is_nvswitch(function.identity, function.class)
}

/// A function of this device number cannot be read.
fn cannot_read(device: DeviceAddress, machine: PlanInputs<'_>) -> Option<ClaimRefusal> {
    let mut unreadable = machine.unreadable.iter();
    let (function, problem) = unreadable.find(|(address, _)| address.device_address() == device)?;
    Some(ClaimRefusal::CannotRead {
        function: *function,
        problem: problem.clone(),
    })
}

/// Its virtual functions would be gone with its driver.
fn has_virtual_functions(function: &Function, functions: &[Function]) -> Option<ClaimRefusal> {
    let count = virtual_functions(function, functions)?;
    let function = function.address;
    Some(ClaimRefusal::VirtualFunctions { function, count })
}

/// How many a physical function has, if any.
fn virtual_functions(function: &Function, functions: &[Function]) -> Option<usize> {
    let all = functions.iter();
    let count = all.filter(|it| it.physical == Some(function.address)).count();
    (count > 0).then_some(count)
}

fn refusal(gpu: &Gpu, machine: PlanInputs<'_>, portions: &Portions) -> Option<ClaimRefusal> {
    let unread = cannot_read(gpu.device, machine);
    let is_its_own = |refusal: &ClaimRefusal| match refusal {
        ClaimRefusal::CannotRead { function, .. } => portions.allow(*function),
        _ => true,
    };
    if let Some(refusal) = unread.filter(is_its_own) {
        return Some(refusal);
    }
    // Of a GPU whose functions a rule names, these are what it is.
    let is_whole = portions.of(gpu.device).is_none();
    if let Some(function) = gpu.functions.iter().find(|function| is_whole && is_stranger(function)) {
        return Some(ClaimRefusal::Stranger {
            function: function.address,
            class: function.class,
        });
    }
    let mut functions = gpu.functions.iter();
    if let Some(refusal) = functions.find_map(|function| has_virtual_functions(function, machine.functions)) {
        return Some(refusal);
    }
    // The claim sees whether one has come.
    if machine.iommu.groups_come_with_drivers() {
        return None;
    }
    let function = gpu.functions.iter().find(|function| function.iommu_group.is_none())?;
    Some(ClaimRefusal::NoIommu {
        function: function.address,
        missing: iommu::diagnose(machine.iommu),
    })
}

#[cfg(test)]
mod tests;
