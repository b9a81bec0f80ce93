"""Where images were taken, which galleries tell of it, and the offset of the camera's clock."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


IMAGE_MODEL = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")


class Migration(migrations.Migration):

    dependencies = [
        ('images_app', '0004_partial_upload'),
        migrations.swappable_dependency(IMAGE_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='cameradata',
            name='utc_offset',
            field=models.SmallIntegerField(blank=True, null=True, verbose_name='offset from UTC'),
        ),
        migrations.AddField(
            model_name='gallery',
            name='shows_locations',
            field=models.BooleanField(default=False, help_text='Whoever sees this gallery is told where its images were taken, where the camera wrote it down: also at whose home, and to anyone if the gallery is public.', verbose_name='shows locations'),
        ),
        migrations.CreateModel(
            name='Location',
            fields=[
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='location_data', serialize=False, to=IMAGE_MODEL, verbose_name='image')),
                ('latitude', models.FloatField(verbose_name='latitude')),
                ('longitude', models.FloatField(verbose_name='longitude')),
                ('altitude', models.FloatField(blank=True, null=True, verbose_name='altitude')),
            ],
            options={
                'verbose_name': 'location',
                'verbose_name_plural': 'locations',
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('latitude__range', (-90, 90)), ('longitude__range', (-180, 180))), name='images_app_location_is_on_earth')],
            },
        ),
    ]
