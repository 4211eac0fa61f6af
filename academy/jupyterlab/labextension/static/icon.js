// A mortarboard, in the colours of the theme.
export const LABS_ICON = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 64 64">
<g class="jp-icon3" fill="#616161">
<path d="M32 10 2 24l30 14 30-14z"/>
<path d="M14 34v12c0 5 8 9 18 9s18-4 18-9V34l-18 9z"/>
<path d="M57 27h3v17h-3z"/>
</g>
</svg>`;
