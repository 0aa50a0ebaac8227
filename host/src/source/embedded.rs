/// The rules that are part of the binary, by name. The first is the one that runs where none is named.
pub(super) const RULES: &[(&str, &[u8])] = &[
    #[cfg(feature = "default-rule")]
    ("threshold", crate::DEFAULT_RULE),
    #[cfg(feature = "default-rule")]
    ("forest", crate::FOREST_RULE),
];

/// The component that is embedded under a name.
pub(super) fn component(name: &str) -> Option<&'static [u8]> {
    RULES.iter().find(|(known, _)| *known == name).map(|(_, component)| *component)
}
