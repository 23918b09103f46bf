//! The attribute that makes a function a scenario. It is in catnap's prelude.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, LitStr, Pat, Result, Type, parse_macro_input};

/// Makes an asynchronous function a scenario: a test that is given a lab of its own, and whose verdict is what it returns.
///
/// The function takes the lab first, as `lab: &Lab`. Further arguments are of cases, as rstest has them: `#[case::name(…)]`
/// above the function and `#[case]` before the argument, or `#[values(…)]`.
///
/// ```text
/// /// NP-01: a pod that fits on no node gets one.
/// #[scenario]
/// async fn a_pending_pod_gets_a_node(lab: &Lab) -> Outcome { … }
/// ```
///
/// A scenario that depends on the date and time of day, because of budgets with a schedule or maintenance windows, says when
/// its lab begins: `#[scenario(begins = "2026-03-02T08:00:00Z")]`. Where time cannot be moved it is skipped.
///
/// A scenario that creates no cluster, since it is about what Azure answers, says so: `#[scenario(azure_only)]`. It begins
/// while the programs that clusters are made of are still being built.
#[proc_macro_attribute]
pub fn scenario(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut asked = Asked::default();
    let parser = syn::meta::parser(|meta: ParseNestedMeta| {
        if meta.path.is_ident("begins") {
            asked.begins = Some(meta.value()?.parse::<LitStr>()?);
            return Ok(());
        }
        if meta.path.is_ident("azure_only") {
            asked.azure_only = true;
            return Ok(());
        }
        Err(meta.error("a scenario knows `begins = \"2026-03-02T08:00:00Z\"` and `azure_only`, and nothing else"))
    });
    parse_macro_input!(arguments with parser);
    let function = parse_macro_input!(item as ItemFn);
    test_of(function, asked).unwrap_or_else(Error::into_compile_error).into()
}

/// What stands in the attribute.
#[derive(Default)]
struct Asked {
    begins: Option<LitStr>,
    azure_only: bool,
}

/// The test that runs the scenario.
fn test_of(function: ItemFn, asked: Asked) -> Result<Tokens> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.span(), "a scenario is an `async fn`"));
    }
    let (lab, lab_type) = lab_of(signature.inputs.first().ok_or_else(|| no_lab(signature.span()))?)?;
    let arguments: Vec<&FnArg> = signature.inputs.iter().skip(1).collect();
    // Cases are rstest's matter; a function without any is a test by itself.
    let cases = if arguments.is_empty() { Tokens::new() } else { quote!(#[::rstest::rstest]) };
    let begins = match asked.begins {
        Some(moment) => quote!(::core::option::Option::Some(#moment)),
        None => quote!(::core::option::Option::None),
    };
    let azure_only = asked.azure_only;
    let (attributes, visibility, name, output) = (&function.attrs, &function.vis, &signature.ident, &signature.output);
    let body = &function.block;
    Ok(quote! {
        #cases
        #(#attributes)*
        #[::tokio::test]
        #visibility async fn #name(#(#arguments),*) #output {
            let needs = ::catnap::scenario::Needs { begins: #begins, azure_only: #azure_only };
            ::catnap::scenario::run(needs, async move |#lab: #lab_type| #output #body).await
        }
    })
}

/// The name and the type of the first argument, which is the lab.
fn lab_of(argument: &FnArg) -> Result<(Tokens, Tokens)> {
    let FnArg::Typed(argument) = argument else { return Err(no_lab(argument.span())) };
    let is_lab = |path: &syn::TypePath| path.path.segments.last().is_some_and(|last| last.ident == "Lab");
    match (&*argument.pat, &*argument.ty) {
        (Pat::Ident(name), Type::Reference(reference)) if matches!(&*reference.elem, Type::Path(path) if is_lab(path)) =>
        {
            let (name, kind) = (&name.ident, &argument.ty);
            Ok((quote!(#name), quote_spanned!(kind.span()=> #kind)))
        }
        _ => Err(no_lab(argument.span())),
    }
}

fn no_lab(place: proc_macro2::Span) -> Error {
    Error::new(place, "a scenario takes its lab first: `lab: &Lab`")
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn written(function: ItemFn, asked: Asked) -> String {
        test_of(function, asked).unwrap_or_else(Error::into_compile_error).to_string()
    }

    #[test]
    fn a_scenario_is_a_test_that_is_given_a_lab() {
        let text = written(parse_quote! { async fn holds(lab: &Lab) -> Outcome { Ok(()) } }, Asked::default());
        assert!(text.contains(":: tokio :: test") && text.contains("async fn holds () -> Outcome"), "{text}");
        assert!(text.contains("run (needs , async move | lab : & Lab |"), "{text}");
        assert!(text.contains("begins : :: core :: option :: Option :: None , azure_only : false"), "{text}");
        assert!(!text.contains("rstest"), "{text}");
    }

    #[test]
    fn cases_and_what_is_asked_for_are_passed_on() {
        let function = parse_quote! {
            #[case::small(1)]
            async fn holds(lab: &Lab, #[case] size: u8) -> Outcome { Ok(()) }
        };
        let text = written(function, Asked { begins: Some(parse_quote!("2026-03-02T08:00:00Z")), azure_only: true });
        assert!(text.starts_with("# [:: rstest :: rstest] # [case :: small (1)]"), "{text}");
        assert!(text.contains("async fn holds (# [case] size : u8)"), "{text}");
        assert!(text.contains("Some (\"2026-03-02T08:00:00Z\") , azure_only : true"), "{text}");
    }

    #[test]
    fn what_is_no_scenario_says_what_is_missing() {
        for (function, says) in [
            (parse_quote! { fn holds(lab: &Lab) {} }, "`async fn`"),
            (parse_quote! { async fn holds() {} }, "`lab: &Lab`"),
            (parse_quote! { async fn holds(lab: Lab) {} }, "`lab: &Lab`"),
            (parse_quote! { async fn holds(size: &u8) {} }, "`lab: &Lab`"),
        ] {
            let text = written(function, Asked::default());
            assert!(text.contains("compile_error") && text.contains(says), "{text}");
        }
    }
}
