/* How many rows of a JPEG that lacks its end can be had without it, as Pillow counts them (JpegDecode.c): its source of data has no more to
 * give, and libjpeg waits; the picture is complete if the last row came before that, whatever stands where the end should be.
 *
 * In C for the same reason as gray.c.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

struct errors {
    struct jpeg_error_mgr base;
    jmp_buf back;
};

static void give_up(j_common_ptr cinfo)
{
    longjmp(((struct errors *)cinfo->err)->back, 1);
}

/* Pillow takes no notice of warnings. */
static void ignore_message(j_common_ptr cinfo, int level)
{
    (void)cinfo;
    (void)level;
}

static void be_quiet(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void do_nothing(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static boolean wait_for_more(j_decompress_ptr cinfo)
{
    (void)cinfo;
    return FALSE;
}

/* Beyond the end there is nothing: libjpeg waits. */
static void skip(j_decompress_ptr cinfo, long count)
{
    size_t left = cinfo->src->bytes_in_buffer;
    size_t skipped = count <= 0 ? 0 : (size_t)count < left ? (size_t)count : left;
    cinfo->src->next_input_byte += skipped;
    cinfo->src->bytes_in_buffer -= skipped;
}

static long count_rows(struct jpeg_decompress_struct *cinfo)
{
    JSAMPARRAY row;

    /* Several scans are all needed for the first row, and the end with them. */
    if (jpeg_read_header(cinfo, TRUE) != JPEG_HEADER_OK || jpeg_has_multiple_scans(cinfo) || !jpeg_start_decompress(cinfo))
        return 0;
    row = (*cinfo->mem->alloc_sarray)((j_common_ptr)cinfo, JPOOL_IMAGE,
                                      cinfo->output_width * (JDIMENSION)cinfo->output_components, 1);
    while (cinfo->output_scanline < cinfo->output_height)
        if (jpeg_read_scanlines(cinfo, row, 1) != 1)
            return (long)cinfo->output_scanline;
    /* An error in what follows counts, that it ends early does not. */
    (void)jpeg_finish_decompress(cinfo);
    return (long)cinfo->output_height;
}

/* The rows that come before the data end; -1 after an error. */
long mmno_jpeg_rows(const unsigned char *bytes, unsigned long length)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_source_mgr source;
    struct errors errors;
    long rows;

    memset(&cinfo, 0, sizeof(cinfo)); /* so that it can be destroyed whatever happens */
    cinfo.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = give_up;
    errors.base.emit_message = ignore_message;
    errors.base.output_message = be_quiet;
    if (setjmp(errors.back)) {
        jpeg_destroy_decompress(&cinfo);
        return -1;
    }
    jpeg_create_decompress(&cinfo);
    memset(&source, 0, sizeof(source));
    source.init_source = do_nothing;
    source.fill_input_buffer = wait_for_more;
    source.skip_input_data = skip;
    source.resync_to_restart = jpeg_resync_to_restart;
    source.term_source = do_nothing;
    source.next_input_byte = bytes;
    source.bytes_in_buffer = length;
    cinfo.src = &source;
    rows = count_rows(&cinfo);
    jpeg_destroy_decompress(&cinfo);
    return rows;
}
