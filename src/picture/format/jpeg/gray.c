/* The luma of a JPEG whose chroma is nothing but gray: then red, green and blue all equal it, to the bit, because chroma 128 adds nothing
 * (jdcolor.c, build_ycc_rgb_table) and upsampling a constant gives that constant. Most pictures of magnetic resonance are stored so.
 *
 * In C because libjpeg reports errors by a jump, and a jump must not cross frames of Rust: none leaves this file.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#define NEUTRAL 128

struct errors {
    struct jpeg_error_mgr base;
    jmp_buf back;
};

static void give_up(j_common_ptr cinfo)
{
    longjmp(((struct errors *)cinfo->err)->back, 1);
}

/* Warnings have levels below zero; what there is to say about them is found out by whoever decodes in full. */
static void on_message(j_common_ptr cinfo, int level)
{
    if (level < 0)
        give_up(cinfo);
}

static void be_quiet(j_common_ptr cinfo)
{
    (void)cinfo;
}

static int is_neutral(const unsigned char *samples, size_t count)
{
    unsigned char differs = 0;
    for (size_t i = 0; i < count; i++)
        differs |= samples[i] ^ NEUTRAL;
    return differs == 0;
}

/* Whether this is a plain YCbCr picture of this size, of which one pass over the data gives row after row. */
static int is_plain(struct jpeg_decompress_struct *cinfo, unsigned width, unsigned height)
{
    return cinfo->num_components == 3 && cinfo->jpeg_color_space == JCS_YCbCr && cinfo->data_precision == 8 &&
           !cinfo->progressive_mode && !cinfo->arith_code && !jpeg_has_multiple_scans(cinfo) && cinfo->image_width == width &&
           cinfo->image_height == height;
}

/* Gives up unless the picture is gray and without fault; `out` then holds its luma. */
static void read_luma(struct jpeg_decompress_struct *cinfo, unsigned width, unsigned height, unsigned char *out)
{
    JSAMPARRAY planes[3];
    size_t wide[3];
    JDIMENSION lines, y = 0;
    const jpeg_component_info *luma;

    jpeg_read_header(cinfo, TRUE);
    if (!is_plain(cinfo, width, height))
        give_up((j_common_ptr)cinfo);
    cinfo->out_color_space = JCS_YCbCr;
    cinfo->raw_data_out = TRUE;
    jpeg_start_decompress(cinfo);

    luma = &cinfo->comp_info[0];
    if (luma->h_samp_factor != cinfo->max_h_samp_factor || luma->v_samp_factor != cinfo->max_v_samp_factor)
        give_up((j_common_ptr)cinfo);
    lines = (JDIMENSION)cinfo->max_v_samp_factor * DCTSIZE;
    for (int c = 0; c < 3; c++) {
        const jpeg_component_info *component = &cinfo->comp_info[c];
        JDIMENSION rows = (JDIMENSION)component->v_samp_factor * DCTSIZE;
        wide[c] = (size_t)component->width_in_blocks * DCTSIZE;
        planes[c] = (*cinfo->mem->alloc_sarray)((j_common_ptr)cinfo, JPOOL_IMAGE, (JDIMENSION)wide[c], rows);
        /* Rows of blocks that lie wholly below the picture are never written. */
        for (JDIMENSION row = 0; row < rows; row++)
            memset(planes[c][row], NEUTRAL, wide[c]);
    }

    while (cinfo->output_scanline < cinfo->output_height) {
        if (jpeg_read_raw_data(cinfo, planes, lines) != lines)
            give_up((j_common_ptr)cinfo);
        for (int c = 1; c < 3; c++)
            for (int row = 0; row < cinfo->comp_info[c].v_samp_factor * DCTSIZE; row++)
                if (!is_neutral(planes[c][row], wide[c]))
                    give_up((j_common_ptr)cinfo);
        for (JDIMENSION row = 0; row < lines && y < height; row++, y++)
            memcpy(out + (size_t)y * width, planes[0][row], width);
    }
    /* Reads on to the end marker: a warning if that is missing. */
    jpeg_finish_decompress(cinfo);
}

/* 1: `out`, width * height bytes, holds the luma, and the picture is gray and without fault. 0: look yourself; `out` holds anything. */
int mmno_jpeg_gray(const unsigned char *bytes, unsigned long length, unsigned width, unsigned height, unsigned char *out)
{
    struct jpeg_decompress_struct cinfo;
    struct errors errors;

    memset(&cinfo, 0, sizeof(cinfo)); /* so that it can be destroyed whatever happens */
    cinfo.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = give_up;
    errors.base.emit_message = on_message;
    errors.base.output_message = be_quiet;
    if (setjmp(errors.back)) {
        jpeg_destroy_decompress(&cinfo);
        return 0;
    }
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, bytes, length);
    read_luma(&cinfo, width, height, out);
    jpeg_destroy_decompress(&cinfo);
    return 1;
}
