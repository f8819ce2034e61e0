"""What a page shows of a file's contents: a tree, text, a table or an image; for the rest, why not.

Nothing stored is ever run: text and tables are escaped by the templates, images are sent as what their first bytes
say they are, in a sandbox, and HTML and SVG are shown as the text they are.
"""

from __future__ import annotations

from commensal.portal.preview.heads import GZIP_HEAD, HEAD, Preview, preview_of
from commensal.portal.preview.images import LARGEST_IMAGE, Picture, picture_of
from commensal.portal.preview.trees import Tree, tree_of

__all__ = ["GZIP_HEAD", "HEAD", "LARGEST_IMAGE", "Picture", "Preview", "Tree", "picture_of", "preview_of", "tree_of"]
