/// The rules that are part of the binary, by name, each a component. The first is the one that runs
/// where none is named.
pub(super) fn rules() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    #[cfg(feature = "default-rule")]
    let rules = crate::embedded::RULES.into_iter().map(|rule| (rule.name, rule.component));
    #[cfg(not(feature = "default-rule"))]
    let rules = std::iter::empty();
    rules
}

/// The component that is embedded under a name.
pub(super) fn component(name: &str) -> Option<&'static [u8]> {
    rules().find(|(known, _)| *known == name).map(|(_, component)| component)
}
