-- pandoc filter: captioned items, numbered cross-references, links between notebooks.
--   ::: {#fig-x} or {#tbl-x}   a picture or table, then the caption as last paragraph
--   $$ ... \label{eq-x} $$     numbered equation; its \tag{5.1} and <a id="eq-x"></a> are for JupyterLab alone
--   # My title                 is @sec-my-title;  # Abstract  becomes the abstract
--   @fig-x @tbl-x @eq-x @sec-x and [text](02-other.ipynb) become links
--   [the curves](#fig-x)       reads well in JupyterLab: here "the curves (Figure 2)", and "Figure 2" if the
--                              text only names the kind, as in [Figure](#fig-x) or [equation of the cost](#eq-x);
--                              [the curves](02-other.ipynb#fig-x) where another notebook has the figure
--   [(He et al. 2015)](https://doi.org/...)  the address of a source in the bibliography: a citation
--   ::: {#contents}            table of contents (PDF; in HTML it stands at the side)
--   ::: {.notice}              stands on the title page and on every page, not here
local typst = FORMAT == 'typst'
local NAME = { fig = 'Figure', tbl = 'Table', eq = 'Equation', sec = 'Section' }
local count, labels, heads, missing = { fig = 0, tbl = 0, eq = 0 }, {}, {}, {}
local notebook, starts, sources, strict, figures, section = nil, {}, {}, true, nil, nil

local function raw(text) return pandoc.RawBlock('typst', text) end

local function kind(id)
  local k = id:match '^(%a+)%-'
  return NAME[k] and k
end

local function number(id)
  local k = kind(id)
  if labels[id] then error('label @' .. id .. ' is used twice', 0) end
  count[k] = count[k] + 1
  labels[id] = NAME[k] .. '\u{a0}' .. count[k]
  return count[k]
end

-- What a text may do ----------------------------------------------------------------------------

-- attributes that the page needs; others could run a script or cover the page
local KEPT = pandoc.List { 'alt', 'width', 'notebook', 'source' }
local function plain(el)
  local kept = {}
  for name, value in pairs(el.attributes) do
    if KEPT:includes(name) then kept[name] = value end
  end
  el.attributes = kept
  return el
end

-- what stands before a colon, where that is no part of a path
local function scheme(target) return target:match '^([^/?#]*):' end

local function safelink(l)
  local kind = scheme(l.target)
  if not kind or kind == 'http' or kind == 'https' or kind == 'mailto' then return plain(l) end
  return l.content
end

local function safeimage(i)
  local kind, ending = scheme(i.src), (i.src:match '%.(%a+)$' or ''):lower()
  if kind ~= 'data' and (kind or not pandoc.List { 'png', 'jpg', 'jpeg', 'gif', 'svg' }:includes(ending)) then
    error('picture ' .. i.src .. ': only PNG, JPEG, GIF and SVG files on this machine can be shown', 0)
  end
  return plain(i)
end

local SAFE = { Link = safelink, Image = safeimage, Span = plain, Div = plain, Header = plain, Code = plain, CodeBlock = plain }

local function safetable(t)
  local parts = pandoc.List { t.head.rows, t.foot.rows }
  for _, body in ipairs(t.bodies) do parts:extend { body.head, body.body } end
  for _, rows in ipairs(parts) do
    for _, row in ipairs(rows) do
      row.attr = pandoc.Attr()
      for _, cell in ipairs(row.cells) do cell.attr = pandoc.Attr() end
    end
  end
  return t:walk(SAFE)
end

-- Document: notices and abstract ----------------------------------------------------------------

-- every notice once, out of the body into the metadata
local function notices(doc)
  local seen, found = {}, pandoc.List {}
  doc = doc:walk { Div = function(d)
    if not d.classes:includes 'notice' then return end
    local text = pandoc.utils.stringify(d)
    if not seen[text] then found:insert(pandoc.utils.blocks_to_inlines(d.content)) end
    seen[text] = true
    return {}
  end }
  if #found == 0 then return doc end
  if typst then doc.meta.notice = found
  else
    local lines = found:map(function(inlines) return pandoc.Para(inlines) end)
    doc.meta['include-before'] = pandoc.MetaBlocks { pandoc.Div(lines, { class = 'banner', role = 'note' }) }
  end
  return doc
end

-- a section "Abstract" is shown as a section in JupyterLab and as the abstract here
local function abstract(doc)
  local body, text, inside = pandoc.Blocks {}, pandoc.Blocks {}, false
  for _, b in ipairs(doc.blocks) do
    if b.t == 'Header' then inside = pandoc.utils.stringify(b):lower() == 'abstract' end
    if b.t == 'Div' then inside = false end -- contents, a figure, the next notebook
    if not inside then body:insert(b) elseif b.t ~= 'Header' then text:insert(b) end
  end
  if #text > 0 then doc.meta.abstract = pandoc.MetaBlocks(text) end
  doc.blocks = body
  return doc
end

-- Spaces that must not break, signs -------------------------------------------------------------

local UNITS = pandoc.List { 's', 'min', 'h', 'kB', 'MB', 'GB', 'nats', 'points', 'TFLOP', 'GFLOP/s' }
local BEFORE_NUMBER = pandoc.List { 'report', 'reports', 'page', 'table', 'figure', 'section', 'seed', 'assignment' }

-- whether a line may not end between two words: 50 000, 0.3 ± 0.1, 95 %, 12 s, λ = 0.1, report 002
local function belong(left, right)
  if left == '±' or right:match '^±' or left == '=' or right == '=' then return true end
  if right:match '^%d' then
    return left:match '^[^%d]?%d%d?%d?$' and right:match '^%d%d%d%f[%D]' or BEFORE_NUMBER:includes(left:lower())
  end
  return left:match '%d$' and (right:match '^%%' or UNITS:includes((right:gsub('[.,;:)]+$', ''))))
end

local function glue(inlines)
  for _, el in ipairs(inlines) do -- and a number has a true minus sign
    if el.t == 'Str' then el.text = el.text:gsub('^([(±]?)%-(%d)', '%1−%2') end
  end
  for i = 2, #inlines - 1 do
    local left, right = inlines[i - 1], inlines[i + 1]
    if inlines[i].t == 'Space' or inlines[i].t == 'SoftBreak' then
      local before, after = left.t == 'Str' and left.text or '', right.t == 'Str' and right.text or ''
      if belong(before, after) then inlines[i] = pandoc.Str '\u{a0}' end
    end
  end
  return inlines
end

-- Figures and tables ----------------------------------------------------------------------------

local function numeric(t, i)
  for _, body in ipairs(t.bodies) do
    for _, row in ipairs(body.body) do
      local cell = row.cells[#row.cells - #t.colspecs + i] -- from the right: row spans are on the left
      local s = cell and pandoc.utils.stringify(cell.contents) or ''
      if s:match ', ' then return false end -- a list of numbers is text
      if not (s == 'NaN' or s:match '^[-+−–±×%%%d.,()e%s\u{a0}]*$') then return false end
    end
  end
  return true
end

local minus = { Str = function(s) return pandoc.Str((s.text:gsub('%-', '−'))) end }

-- columns of numbers to the right and with true minus signs, text to the left, spanning heads in the middle
local function align(t)
  for i = 1, #t.colspecs do
    local is = numeric(t, i)
    t.colspecs[i][1] = is and 'AlignRight' or 'AlignLeft'
    for _, body in ipairs(t.bodies) do
      for _, row in ipairs(body.body) do
        local cell = row.cells[#row.cells - #t.colspecs + i]
        if cell then
          cell.alignment = 'AlignDefault'
          if is then cell.contents = cell.contents:walk(minus) end
        end
      end
    end
  end
  for _, row in ipairs(t.head.rows) do
    for _, cell in ipairs(row.cells) do
      cell.alignment = cell.col_span > 1 and 'AlignCenter' or 'AlignDefault'
    end
  end
  return t
end

-- PDF: where the longest lines of all columns do not fit side by side, the long columns share what the short ones leave
local LINE = 94 -- characters of a line of the page; five are the space beside a column
local function widths(t)
  local longest, total, left, long = {}, 0, LINE, 0
  for _, rows in ipairs { t.head.rows, t.bodies[1].body } do
    for _, row in ipairs(rows) do
      if #row.cells ~= #t.colspecs then return end -- spanning cells: as Typst sees fit
      for i, cell in ipairs(row.cells) do
        longest[i] = math.max(longest[i] or 0, utf8.len(pandoc.utils.stringify(cell.contents)) + 5)
      end
    end
  end
  for _, n in ipairs(longest) do total = total + n end
  if total <= LINE then return end
  for _, n in ipairs(longest) do
    if n <= LINE / #longest then left = left - n else long = long + math.min(n, 80) end
  end
  for i, n in ipairs(longest) do
    t.colspecs[i][2] = (n <= LINE / #longest and n or left * math.min(n, 80) / long) / LINE
  end
end

-- number a captioned Figure or Table; Typst numbers by itself, and in the same order
local function captioned(el)
  local k = el.t == 'Figure' and 'fig' or 'tbl'
  if #el.caption.long == 0 then
    if k == 'tbl' then el.classes:insert 'typst:no-figure' end -- or it would eat a number
  else
    if el.identifier == '' then el.identifier = k .. '-' .. (count[k] + 1) end
    local n = number(el.identifier)
    if not typst then
      el.caption.long[1].content:insert(1, pandoc.Strong(NAME[k] .. ' ' .. n .. ':'))
      el.caption.long[1].content:insert(2, pandoc.Space())
    end
  end
  return el
end

-- HTML: heads say what they head; a wide table scrolls inside its own box, by keyboard too, and leaves its caption alone
local function htmltable(t)
  for _, row in ipairs(t.head.rows) do
    for _, cell in ipairs(row.cells) do cell.attributes.scope = cell.col_span > 1 and 'colgroup' or 'col' end
  end
  for _, body in ipairs(t.bodies) do
    for _, row in ipairs(body.body) do
      if body.row_head_columns > 0 then row.cells[1].attributes.scope = 'row' end
    end
  end
  local function box(name, value)
    return pandoc.Div(t, pandoc.Attr('', { 'scroll' }, { { 'tabindex', '0' }, { 'role', 'group' }, { name, value } }))
  end
  if #t.caption.long == 0 then return box('aria-label', NAME.tbl) end
  local id, caption = t.identifier .. '-caption', t.caption.long
  t.caption, t.attributes['aria-labelledby'] = {}, id
  return { pandoc.Div(caption, pandoc.Attr(id, { 'caption' })), box('aria-labelledby', id) }
end

-- HTML: a picture leads to its file, which can be enlarged
local function htmlfigure(f)
  local name = f.identifier:match '^fig%-(.+)'
  if not name or not figures then return end
  local file = figures .. '/' .. name .. '.svg'
  return f:walk { Image = function(i) return pandoc.Link(i, file, '', { class = 'card' }) end }
end

local function item(div)
  local k, blocks = kind(div.identifier), div.content
  local caption = pandoc.Blocks { blocks:remove() }
  local el = blocks[1]
  if not el or caption[1].t ~= 'Para' then
    error('@' .. div.identifier .. ' needs a caption of one paragraph', 0)
  end
  if k == 'fig' then
    el = pandoc.Figure(blocks)
  elseif el.t == 'CodeBlock' then
    el = pandoc.read(el.text, 'html+tex_math_dollars').blocks[1]
    if not el or el.t ~= 'Table' then error('@' .. div.identifier .. ' is no table', 0) end
    el = align(safetable(el):walk { Inlines = glue })
  end
  if typst and el.t == 'Table' then widths(el) end
  el.caption, el.attr = { long = caption }, div.attr
  return captioned(el) -- the walk goes on below el, not with el itself
end

-- Mathematics -----------------------------------------------------------------------------------

-- \bigl( and its kin: pandoc scales the glyph, which then has neither the space of a bracket nor its shape
local function bracket(size, glyph)
  local class = 'normal'
  if glyph:match '^\\?[%(%[{]$' or glyph:match '%.l$' then class = 'opening' end
  if glyph:match '^\\?[%)%]}]$' or glyph:match '%.r$' then class = 'closing' end
  glyph = ({ ['\\|'] = 'bar.v', parallel = 'bar.v.double', ['{'] = '\\{', ['}'] = '\\}' })[glyph] or glyph
  return (' class("%s", stretch(%s, size: #%s))'):format(class, glyph, size)
end

-- LaTeX to Typst is pandoc's work; these lines mend brackets, bars and norms, cases, spaces (texmath#295),
-- arg max and symbols that Typst has renamed (⊙, ⊗, ⊕, ∩)
local function typstmath(m)
  local s = pandoc.write(pandoc.Pandoc { pandoc.Plain { m } }, 'typst'):gsub('%s+$', '')
  if s:sub(1, 1) ~= '$' then error('formula that cannot be read: ' .. m.text, 0) end
  s = s:gsub('#scale%(x: (%d+%%), y: %d+%%%)%[(\\?.[%a.]*)%]', bracket):gsub('\\|', ' class("normal", bar.v)')
  s = s:gsub('∥(.-)∥', 'lr(‖%1‖)') -- \left\| ... \right\|
  if not m.text:match '\\parallel' then s = s:gsub('parallel', 'class("normal", bar.v.double)') end
  s = s:gsub('cases(%b())', function(c) return 'cases' .. c:gsub('&', '& quad') end)
  return (s:gsub('#h%(%-1em%)', '#h(-.167em)'):gsub('#h%(0em%)', 'thick'):gsub('%.circle%f[%W]', '.o'):gsub('%f[%w]sect%f[%W]', 'inter')
    :gsub('"(arg[^"]*)"_', 'op("%1", limits: #true)_'))
end

local function equation(m)
  local id = m.text:match '\\label%s*{(.-)}'
  local tex = m.text:gsub('\\label%s*{.-}', ''):gsub('\\tag%s*{.-}', ''):gsub('^%s+', ''):gsub('%s+$', '')
  local block, n = m.mathtype == 'DisplayMath', id and number(id)
  m.text = tex
  if typst then -- the LaTeX source becomes the alternative text, which PDF/UA asks for
    local alt = tex:gsub('["\\]', '\\%0'):gsub('%s+', ' ')
    return pandoc.RawInline('typst', ('#math.equation(block: %s, numbering: %s, alt: "%s", %s.body)%s'):format(
      block, id and '"(1)"' or 'none', alt, typstmath(m), id and '<' .. id .. '>' or ''))
  elseif id then
    return pandoc.Span({ m, pandoc.Span('(' .. n .. ')', { class = 'eqno' }) }, { id = id, class = 'eq' })
  end
  return m
end

-- 3.8e-10 as people write it
local function power(s)
  local text = s.text:gsub('−', '-')
  local before, digits, sign, exponent, after = text:match '^([^%w]*)(%d+%.?%d*)e([-+])0*(%d+)([.,;:)]*)$'
  if not digits then return end
  local tex = (digits == '1' and '' or digits .. ' \\cdot ') .. '10^{' .. (sign == '-' and '-' or '') .. exponent .. '}'
  return { pandoc.Str((before:gsub('%-', '−'))), equation(pandoc.Math('InlineMath', tex)), pandoc.Str(after) }
end

-- \begin{align} ... \end{align} without dollars is math in JupyterLab
local function rawtex(r)
  if r.format:match 'tex' and r.text:match '^%s*\\begin' then
    local tex = r.text:gsub('\\begin{equation%*?}', ''):gsub('\\end{equation%*?}', '')
      :gsub('{align%*?}', '{aligned}'):gsub('{gather%*?}', '{gathered}')
    return pandoc.Math('DisplayMath', tex)
  elseif r.format == 'html' and r.text:match '^<br' then return pandoc.LineBreak()
  elseif r.format == 'html' and r.text:match '^<a id=' then return {} end
end

-- Headings, divisions, references ---------------------------------------------------------------

local function header(h)
  h.identifier = 'sec-' .. h.identifier:gsub('^sec%-', '')
  if not h.classes:includes 'unnumbered' then
    heads[h.level] = (heads[h.level] or 0) + 1
    for l = h.level + 1, 6 do heads[l] = nil end
    local parts = {}
    for l = 1, h.level do parts[l] = tostring(heads[l] or 0) end
    labels[h.identifier] = NAME.sec .. '\u{a0}' .. table.concat(parts, '.')
  end
  if not notebook then return h end
  local name, source = notebook.notebook, notebook.source
  starts[name], notebook = h.identifier, nil
  if typst or not source then return h end
  return { h, pandoc.Div(pandoc.Plain(pandoc.Link('notebook', '../' .. source)), { class = 'source' }) }
end

local function div(d)
  local k = kind(d.identifier)
  if k == 'fig' or k == 'tbl' then return item(d) end
  if d.attributes.notebook then notebook = d.attributes; return {} end
  if d.identifier == 'contents' then return typst and raw '#report-contents' or {} end
  if d.identifier == 'appendix' then return typst and raw '#pagebreak(weak: true)' or {} end
  if d.identifier ~= 'refs' then return end
  if not next(sources) then return {} end
  local heading = d.content -- beside the list, not in it: inside a block it would lose the space above
  d.content = {}
  if typst then return heading .. { raw '#[#show: report-sources', d, raw ']' } end
  return heading .. { d }
end

local function reference(id)
  if not labels[id] then
    missing[#missing + 1] = '@' .. id .. (section and ' in "' .. section .. '"' or '')
    return pandoc.Strong { pandoc.Str('@' .. id) }
  elseif typst then return pandoc.RawInline('typst', '#ref(<' .. id .. '>)')
  else return pandoc.Link(labels[id], '#' .. id, '', { class = 'ref' }) end
end

local function cite(c)
  local out = pandoc.Inlines {}
  for i, one in ipairs(c.citations) do
    if sources[one.id] then return end
    if i > 1 then out:extend { pandoc.Str ',', pandoc.Space() } end
    out:insert(reference(one.id))
  end
  return out
end

local function link(l)
  local nb, id = l.target:match '([^/]+)%.ipynb', l.target:match '#(.+)'
  if nb and not (id and kind(id) and (labels[id] or strict)) then
    l.target = starts[nb] and '#' .. starts[nb] or '../notebooks/' .. l.target:gsub('^%.%./', '')
    return l
  elseif id and kind(id) then
    local word = pandoc.utils.stringify(l):match '^%a+' or ''
    if word:lower() == NAME[kind(id)]:lower() then return reference(id) end
    return l.content .. { pandoc.Str '\u{a0}(', reference(id), pandoc.Str ')' }
  end
end

-- Typst reads pictures from its own folder only; pandoc 3.9 does not write their alternative text
local function image(i)
  local file, alt = io.open(i.src, 'rb'), i.attributes.alt or pandoc.utils.stringify(i.caption)
  if not file then
    local _, data = pandoc.mediabag.fetch(i.src)
    i.src = pandoc.utils.sha1(data) .. select(2, pandoc.path.split_extension(i.src:match '^[^:,]*$' or ''))
    file = io.open(i.src, 'wb')
    file:write(data)
  end
  file:close()
  i.attributes.alt = nil
  local s = pandoc.write(pandoc.Pandoc { pandoc.Plain { i } }, 'typst'):gsub('%s+$', '')
  alt = alt:gsub('["\\]', '\\%0')
  return pandoc.RawInline('typst', (s:gsub('image%("(.-)"', function(src)
    return ('image("%s", alt: "%s"'):format(src, alt)
  end)))
end

-- the sources of the bibliography by their addresses: {address: citation key}
local function addresses(bibliography)
  local all = pandoc.Cite({}, { pandoc.Citation('*', 'NormalCitation') })
  local whole, found = pandoc.Pandoc({}, { bibliography = bibliography, nocite = pandoc.MetaInlines { all } }), {}
  for _, r in ipairs(pandoc.utils.references(whole)) do
    local address = r.DOI and 'https://doi.org/' .. pandoc.utils.stringify(r.DOI) or r.URL
    if address then found[pandoc.utils.stringify(address)] = r.id end
  end
  return found
end

local function citation(known)
  return function(l)
    local id = known[l.target]
    if id then return pandoc.Cite(l.content, { pandoc.Citation(id, 'NormalCitation') }) end
  end
end

-- PDF: what stands in quotes in the template, as Typst's strings and not as its code
local function strings(value)
  local list = pandoc.utils.type(value) == 'List' and value or { value }
  return pandoc.MetaList(pandoc.List(list):map(function(each)
    local text = pandoc.utils.stringify(each):gsub('["\\]', '\\%0')
    return pandoc.MetaInlines { pandoc.RawInline('typst', '"' .. text .. '"') }
  end))
end

function Pandoc(doc)
  for _, name in ipairs { 'author', 'keywords' } do
    if typst and doc.meta[name] then doc.meta[name .. '-string'] = strings(doc.meta[name]) end
  end
  if doc.meta.bibliography then doc = doc:walk { Link = citation(addresses(doc.meta.bibliography)) } end
  for _, r in ipairs(pandoc.utils.references(doc)) do sources[r.id] = true end
  strict, figures = not doc.meta.lax, doc.meta.figures and pandoc.utils.stringify(doc.meta.figures)
  doc = doc:walk(SAFE)
  doc = abstract(notices(doc)):walk { RawInline = rawtex, Inlines = glue }
  doc = doc:walk {
    traverse = 'topdown', Div = div, Figure = captioned, Table = captioned, Header = header, Math = equation,
  }
  doc = doc:walk {
    traverse = 'topdown', Str = power, Cite = cite, Link = link, Image = typst and image or nil,
    Header = function(h) section = pandoc.utils.stringify(h) end, -- for messages
  }
  if not typst then doc = doc:walk { Table = htmltable, Figure = htmlfigure } end
  if #missing > 0 and strict then
    error('no such figure, table, equation, section or source: ' .. table.concat(missing, ', '), 0)
  end
  return doc
end
