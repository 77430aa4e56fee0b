"""One look for all figures, on white and on dark: templates, colours, symbols, words in a figure.

Everything that must differ between white and dark is in the templates, so that a finished figure changes from
one to the other with its template. Colours of traces are chosen to be seen on both.
"""

import plotly.graph_objects as go
import plotly.io as pio

from fpanalysis.plot._text import in_lines

# Okabe and Ito (2008), told apart by people with any of the common colour vision deficiencies; without their
# black and yellow, of which one is lost on dark and the other on white.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY = "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
GREY = "#808080"
FAINT = "rgba(128, 128, 128, 0.45)"
REGION = "rgba(0, 114, 178, 0.09)"
BAND = "rgba(128, 128, 128, 0.18)"

# Symbols and dashes are one more than the colours: cycling through both repeats a pair only after 42.
SYMBOLS = ("circle", "diamond-open", "square", "x-thin-open", "triangle-up", "circle-open", "star")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "10px,3px,2px,3px,2px,3px")

# Viridis without its ends, whose dark is lost on dark and whose yellow is lost on white. Its lightness grows
# evenly, so that it can be read in grey and with any colour vision (Smith and van der Walt 2015). The other
# two, of the same lightness, are for a second and third condition: blue to sand, and purple to orange.
SEQUENTIAL = ("#3E4A89", "#31688E", "#26828E", "#1F9E89", "#35B779", "#6DCD59")
SCALES = (
    SEQUENTIAL,
    ("#34509B", "#5A6E9E", "#7B8A99", "#9BA489", "#BDBC75"),
    ("#7A2182", "#982D80", "#B73779", "#D3436E", "#EB5760", "#F8765C"),
)

WEBGL_ABOVE = 50_000
"""Number of points above which two-dimensional figures draw with WebGL."""

LIGHT, DARK = "fpanalysis", "fpanalysis_dark"

# Characters in a line that a figure of 368 pixels has room for: plotly breaks no lines.
_TITLE_WIDTH, _NOTE_WIDTH = 46, 58
_PAD, _FONT = 30, 15
"""Pixels above a title, and the size of its font."""


def _template(
    text: str, soft: str, ground: str, grid: str, zero: str, line: str, note: str
) -> go.layout.Template:
    axis = {
        "gridcolor": grid,
        "zerolinecolor": zero,
        "zerolinewidth": 1,
        "linecolor": line,
        "showline": True,
        "ticks": "outside",
        "tickcolor": line,
        "exponentformat": "power",
        "automargin": True,
        "title": {"standoff": 8},
    }
    scene_axis = {
        "gridcolor": grid,
        "zeroline": False,
        "linecolor": line,
        "showbackground": False,
        "nticks": 6,
        "title": {"font": {"size": 11}},
        "tickfont": {"size": 10},
    }
    layout = go.Layout(
        font={"family": "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 13, "color": text},
        colorway=list(PALETTE),
        colorscale={"sequential": colorscale(SEQUENTIAL)},
        paper_bgcolor=ground,
        plot_bgcolor=ground,
        title={
            # From the edge of the figure: from that of the data, a narrow figure would have too little room.
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            # Room for plotly's row of buttons, which lies over a title in narrow figures.
            "pad": {"t": _PAD, "b": 8, "l": 12},
            "automargin": True,
            "font": {"size": _FONT},
            "subtitle": {"font": {"size": 12, "color": soft}},
        },
        # Below the data and across: beside it, a legend would take half of a narrow figure.
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yanchor": "bottom",
            "yref": "container",
            "title": {"side": "top"},
        },
        margin={"l": 60, "r": 20, "t": 70, "b": 50},
        hoverlabel={"align": "left", "font": {"size": 12}},
        hovermode="closest",
        xaxis=axis,
        yaxis=axis,
        scene={"xaxis": scene_axis, "yaxis": scene_axis, "zaxis": scene_axis},
        coloraxis={
            "colorscale": colorscale(SEQUENTIAL),
            "colorbar": {"thickness": 14, "outlinewidth": 0, "exponentformat": "power"},
        },
        annotationdefaults={"font": {"color": text}, "bgcolor": note, "borderpad": 6, "showarrow": False},
    )
    # A filled marker whose edge has no colour of its own is parted from what lies below it.
    edge = {"marker": {"line": {"color": ground}}}
    data = {"scatter": [edge], "scattergl": [edge], "scatter3d": [edge]}
    return go.layout.Template(layout=layout, data=data)


def colorscale(colors: tuple[str, ...]) -> list[list]:
    """Return colours, evenly spaced, as plotly's colour scale."""
    return [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]


pio.templates[LIGHT] = _template(
    text="#222222",
    soft="#666666",
    ground="white",
    grid="#E6E6E6",
    zero="#9A9A9A",
    line="#5A5A5A",
    note="rgba(255, 255, 255, 0.85)",
)
pio.templates[DARK] = _template(
    text="#E2E2E2",
    soft="#A6A6A6",
    ground="#14181E",
    grid="#2C333B",
    zero="#6A727B",
    line="#9098A1",
    note="rgba(20, 24, 30, 0.85)",
)


def new_figure(title: str, notes: list[str]) -> go.Figure:
    """Return an empty figure with this title and, under it, the notes."""
    figure = go.Figure(layout={"template": LIGHT})
    title = in_lines([title], _TITLE_WIDTH)
    figure.update_layout(title_text=title, legend_itemsizing="constant")
    if n_more := title.count("<br>"):
        # Plotly sets several lines above the place of one: the last of them 1.35 em above.
        figure.update_layout(title_pad_t=_PAD + _FONT * (1.35 + 1.3 * n_more))
    set_notes(figure, notes)
    return figure


def set_notes(figure: go.Figure, notes: list[str]) -> None:
    """Write notes under the title of a figure; long ones take several lines."""
    figure.update_layout(title_subtitle_text=in_lines(notes, _NOTE_WIDTH) or None)


def say(figure: go.Figure, text: str, y: float = 0.5) -> None:
    """Write `text` over a figure that has nothing to show there, at a fraction `y` of its height."""
    figure.add_annotation(text=text, x=0.5, y=y, xref="paper", yref="paper", font_size=15)


def blank(title: str, text: str) -> go.Figure:
    """Return a figure without data that says in words why there are none."""
    figure = new_figure(title, [])
    figure.update_layout(xaxis_visible=False, yaxis_visible=False)
    say(figure, text)
    return figure
