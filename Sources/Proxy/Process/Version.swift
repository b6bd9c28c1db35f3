// The version of pgleash.

/// Following Semantic Versioning; the first entry of CHANGELOG.md has the same.
package let pgleashVersion = "0.2.0"
